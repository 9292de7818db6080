"""`BoundSource`: the content that a plan was made for, and the check that a copy has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.providers.content_digest import SOURCE, ContentDigest
from reconciler.providers.errors import SourceError


@dataclass(frozen=True, slots=True)
class BoundSource:
    """What a plan says about the content of one disk (`os`, `data-LUN`): the `digest` of its source, as text.

    Where the bytes cannot be read, as those of a disk in Azure, `digest` is empty, and `identity` is what the backend
    recognises a content by.
    """

    disk: str
    digest: str = ""
    identity: str = ""

    @property
    def content(self) -> ContentDigest:
        """The digest, of whichever kind it is."""
        return ContentDigest.parse(self.digest)


def bound_to_plain(bound: Iterable[BoundSource]) -> bool:
    """Whether a plan knows content by its plain sha256, so that it has to be read as such, too."""
    return any(source.content.is_plain for source in bound)


def require_bound(bound: Iterable[BoundSource], facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Checks what was read of each disk (disk -> its facts) before anything made from it becomes visible.

    Raises: SourceError when it is not what was planned. A disk whose content was not read passes.
    """
    for source in bound:
        read = facts.get(source.disk, {})
        found = [digest for of in (SOURCE, "") if (digest := ContentDigest.in_facts(read, of)).known]
        if source.digest and found and not any(map(source.content.agrees, found)):
            raise SourceError(
                f"the source of disk {source.disk} is not the one that was planned: its digest is "
                f"{found[0].like(source.content)}, and that of the plan {source.digest}",
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
