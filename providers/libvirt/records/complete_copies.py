"""Finds complete copies of published disks: other regions, and versions built from a version, are copied from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError, SourceError, Unavailable
from reconciler.providers.libvirt.records.description_store import BrokenDescription, DescriptionStore
from reconciler.providers.libvirt.records.descriptions import Copy, Description, stamp

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.host.volumes import Volume


@dataclass(frozen=True, slots=True)
class CompleteCopy:
    """One complete volume of a published disk, and what was recorded of the disk."""

    pool: Pool
    volume: Volume
    copy: Copy
    facts: Mapping[str, Any]


class CompleteCopies:
    """Searches the regions that can be asked."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def disks(self, version: Address) -> tuple[str, ...]:
        """The disks of a version according to the first region that has any; empty if no region does."""
        for _, description in self._regions(version):
            if description.replicas:
                return tuple(sorted({copy.disk for copy in description.replicas}))
        return ()

    def find(self, version: Address, disk: str, near: Pool | None = None) -> CompleteCopy | None:
        """A complete copy of a disk, preferably on the host of `near`; None if no region that can be asked has one. A
        volume that may have been written to is read before it is trusted."""
        doubtful: list[CompleteCopy] = []
        regions = sorted(
            self._regions(version), key=lambda pair: near is None or pair[0].connection is not near.connection
        )
        for pool, description in regions:
            for candidate in _copies(pool, description, disk):
                if stamp(candidate.volume) == candidate.copy.stamp:
                    return candidate
                doubtful.append(candidate)
        return next((candidate for candidate in doubtful if is_intact(candidate)), None)

    def container(self, address: Address) -> Description | None:
        """The description of a gallery, definition or version, in whichever region has it."""
        for region in self._hosts.regions:
            try:
                stored = DescriptionStore(self._hosts.pool(region)).description(address)
            except (Unavailable, BrokenDescription):  # another may have it
                continue
            if stored is not None:
                return stored.description
        return None

    def _regions(self, version: Address) -> Iterator[tuple[Pool, Description]]:
        for region in self._hosts.regions:
            try:
                pool = self._hosts.pool(region)
                stored = DescriptionStore(pool).description(version._replace(region=region))
            except (Unavailable, BrokenDescription):  # others may have one
                continue
            if stored is not None:
                yield pool, stored.description


def is_intact(candidate: CompleteCopy) -> bool:
    """Whether a volume still has the content it was published with; reads all of it."""
    from reconciler.providers.libvirt.content.volume_reading import digest_of_volume

    copy = candidate.copy
    try:
        plain = copy.content.is_plain
        digest = digest_of_volume(candidate.pool, candidate.volume, copy.capacity, copy.format, plain=plain)
    except (SourceError, ProviderError):
        return False
    return digest.agrees(copy.content)


def _copies(pool: Pool, description: Description, disk: str) -> Iterator[CompleteCopy]:
    """The existing volumes of a disk that have no backing volume."""
    for copy in sorted(description.copies, key=lambda copy: copy.replica):
        if copy.disk != disk or not copy.content.known:
            continue
        volume = pool.volume(copy.volume)
        if volume is not None and not volume.backing_path:
            yield CompleteCopy(pool, volume, copy, description.facts(disk))
