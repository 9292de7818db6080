"""`BoundSource`: the content that a plan was made for, and the check that a copy has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.providers.errors import SourceError


@dataclass(frozen=True, slots=True)
class BoundSource:
    """What a plan says about the content of one disk (`os`, `data-LUN`): the `sha256` of its source, in hexadecimal.

    Where the bytes cannot be read, as those of a disk in Azure, `sha256` is empty, and `identity` is what the backend
    recognises a content by.
    """

    disk: str
    sha256: str = ""
    identity: str = ""


def require_bound(bound: Iterable[BoundSource], facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Checks what was read of each disk (disk -> its facts) before anything made from it becomes visible.

    Raises: SourceError when it is not what was planned. A disk whose content was not read passes.
    """
    for source in bound:
        read = facts.get(source.disk, {})
        found = [str(read[name]) for name in ("sourceSha256", "sha256") if read.get(name)]
        if source.sha256 and found and source.sha256 not in found:
            raise SourceError(
                f"the source of disk {source.disk} is not the one that was planned: its sha256 is {found[0]}, and that "
                f"of the plan {source.sha256}",
                "restore that image; or, if the new one is right, plan again and review that",
            )


def require_same(bound: Iterable[BoundSource], identities: Mapping[str, str]) -> None:
    """Checks the identities of sources whose bytes cannot be read (disk -> identity) before they are used.

    Raises: SourceError when one is not what was planned. A disk without an identity passes.
    """
    for source in bound:
        now = identities.get(source.disk, "")
        if source.identity and now and source.identity != now:
            raise SourceError(
                f"the source of disk {source.disk} is not the one that was planned: it is {now} now, and was "
                f"{source.identity}",
                "if the new one is right, plan again and review that",
            )
