"""`Place`: where lives happen, as the fuzzer sees it past the provider."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from support.killing import Killer


@dataclass(frozen=True)
class Snapshot:
    """What is published: (digest of the content, region) -> in how many versions there are such copies, and how many
    copies there are. Copies that are still being made do not count."""

    places: Counter[tuple[str, str]]
    replicas: Counter[tuple[str, str]]


class Place(Protocol):
    """A backend with nothing in it but what one life makes. `settings` are the provider's in the project file."""

    folder: Path
    settings: dict[str, Any]

    def install(self, killer: Killer) -> None:
        """Puts the killer around everything that has an effect outside of the process."""
        ...

    def snapshot(self) -> Snapshot: ...

    def everything(self) -> Mapping[str, str]:
        """Everything there is, published or not, with a digest: equal as long as nothing was changed."""
        ...

    def leftovers(self) -> list[str]:
        """What is there, when everything was destroyed and nothing should be."""
        ...

    def damage(self, a: int, b: int, names: Collection[str]) -> str:
        """Damages one of these regions of versions; returns its name, or an empty text if it did nothing."""
        ...

    def add_stranger(self, a: int) -> bool:
        """Puts something of somebody else's among our objects, where that is possible."""
        ...

    def strangers_gone(self) -> list[str]:
        """What of that is no longer as it was."""
        ...

    def forget_strangers(self) -> None:
        """Those that damage has just removed."""
        ...

    def remove_strangers(self) -> None: ...

    def fault(self, a: int, b: int) -> AbstractContextManager[bool]:
        """Has the backend fail in some way, where it can be told to; gives whether it does."""
        ...

    def close(self) -> None: ...
