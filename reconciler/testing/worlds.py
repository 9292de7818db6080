"""Worlds for the provider contract: what a backend's tests need beside the provider itself.

A world has the regions eastus, westus and northeurope, and nothing in them at first. Tests reach behind the provider:
they put objects of others there, damage copies, and cut the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from reconciler.manifests.address import Address
from reconciler.providers.protocol import Provider


class ProviderWorld(Protocol):
    """A place that providers work on, for `ObjectCases`, `ContentCases` and `DataDiskCases`."""

    def provider(self) -> Provider:
        """A fresh provider on this world, as another process would have it."""
        ...

    def image(self, name: str, content: bytes) -> Mapping[str, Any]:
        """The source of a disk image with `content`, a raw disk; an image of that name is replaced."""
        ...

    def remove_image(self, source: Mapping[str, Any]) -> None:
        """Removes an image that `image` made."""
        ...

    def copies(self, region: Address) -> list[bytes]:
        """The contents of the OS disk's copies in a target region, in the order of their numbers; empty for none."""
        ...

    def make_foreign(self, address: Address) -> None:
        """Puts an object without an owner mark where `address` would be."""
        ...

    def unreachable(self) -> AbstractContextManager[None]:
        """As long as it lasts, nothing of this world can be asked."""
        ...

    def objects(self) -> list[str]:
        """Everything in this world, by name; empty when nothing of any kind is left."""
        ...


class DamageableWorld(ProviderWorld, Protocol):
    """A world for `DamageCases`: others can change copies."""

    def damage(self, region: Address) -> None:
        """Changes bytes of the first copy and leaves its size."""
        ...

    def truncate(self, region: Address) -> None:
        """Cuts the first copy off."""
        ...

    def lose(self, region: Address) -> None:
        """Removes the first copy."""
        ...


@dataclass(frozen=True)
class Stray:
    """Something in our object that is not ours: its name in messages, and whether it still exists."""

    name: str
    is_there: Callable[[], bool]


class SharedWorld(ProviderWorld, Protocol):
    """A world for `StrayCases`: others can put something inside our objects."""

    def add_stray(self, region: Address) -> Stray:
        """Puts something that is not ours into our region, or into the version beside it."""
        ...


class InterruptibleWorld(ProviderWorld, Protocol):
    """A world for `InterruptionCases`: operations can stop halfway."""

    def leave_unfinished(self, region: Address, lineage: str) -> None:
        """Leaves what a run of `lineage` leaves of a region when it is killed while it copies."""
        ...

    def failing(self, region: str) -> AbstractContextManager[None]:
        """As long as it lasts, nothing can be written in that region, in which there is nothing yet."""
        ...


class FencedWorld(ProviderWorld, Protocol):
    """A world for `FenceCases`: operations can stop halfway."""

    def leave_unfinished(self, region: Address, lineage: str, fence: int = 0) -> None:
        """Leaves what a run of `lineage` leaves of a region when it is killed while it copies; `fence` is the run's."""
        ...


class PlacedWorld(ProviderWorld, Protocol):
    """A world for `PlaceCases`: what is behind a region can be another place."""

    def in_place(self, region: str, content: str) -> AbstractContextManager[None]:
        """As long as it lasts, something else is in the place behind a region: `empty`, what an unmounted disk leaves;
        `other`, an empty place with an identity of its own; or `nothing`."""
        ...

    def empty(self, region: str) -> None:
        """Removes all objects from a region, and leaves the place itself."""
        ...


class FullWorld(DamageableWorld, SharedWorld, InterruptibleWorld, Protocol):
    """A world for the whole `ProviderContract`."""
