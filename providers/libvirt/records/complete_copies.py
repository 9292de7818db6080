"""Finds complete copies of what is published: what other regions, and versions made from it, are copied from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError, SourceError, Unavailable
from reconciler.providers.libvirt.records.description_store import Broken, Shelf
from reconciler.providers.libvirt.records.descriptions import Copy, Description, stamp

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.host.volumes import Volume


@dataclass(frozen=True, slots=True)
class PublishedCopy:
    """One complete volume of a published disk, and what was recorded of the disk."""

    pool: Pool
    volume: Volume
    copy: Copy
    facts: Mapping[str, Any]


class Published:
    """Looks through the regions that can be asked."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def disks(self, version: Address) -> tuple[str, ...]:
        """The disks that some region says it has of a version; empty when no region does."""
        for _, description in self._regions(version):
            if description.replicas:
                return tuple(sorted({copy.disk for copy in description.replicas}))
        return ()

    def copy_of(self, version: Address, disk: str, near: Pool | None = None) -> PublishedCopy | None:
        """A complete copy of a disk, on the host of `near` if there is one; None when no region that can be asked has
        any. A volume that was written to since is read before it is believed."""
        doubtful: list[PublishedCopy] = []
        regions = sorted(
            self._regions(version), key=lambda pair: near is None or pair[0].connection is not near.connection
        )
        for pool, description in regions:
            for found in _copies(pool, description, disk):
                if stamp(found.volume) == found.copy.stamp:
                    return found
                doubtful.append(found)
        return next((found for found in doubtful if is_whole(found)), None)

    def document(self, address: Address) -> Description | None:
        """The description of a gallery, definition or version, wherever it can be found."""
        for region in self._hosts.regions:
            try:
                found = Shelf(self._hosts.pool(region)).description(address)
            except (Unavailable, Broken):  # another may have it
                continue
            if found is not None:
                return found.description
        return None

    def _regions(self, version: Address) -> Iterator[tuple[Pool, Description]]:
        for region in self._hosts.regions:
            try:
                pool = self._hosts.pool(region)
                found = Shelf(pool).description(version._replace(region=region))
            except (Unavailable, Broken):  # others may have one
                continue
            if found is not None:
                yield pool, found.description


def is_whole(found: PublishedCopy) -> bool:
    """Whether a volume still has the content it was published with; reads all of it."""
    from reconciler.providers.libvirt.content.volume_reading import digest_of_volume

    try:
        digest = digest_of_volume(found.pool, found.volume, found.copy.capacity, found.copy.format)
    except (SourceError, ProviderError):
        return False
    return digest == found.copy.sha256


def _copies(pool: Pool, description: Description, disk: str) -> Iterator[PublishedCopy]:
    """The volumes of a disk that are there and stand on their own."""
    for copy in sorted(description.copies, key=lambda one: one.replica):
        if copy.disk != disk or not copy.sha256:
            continue
        volume = pool.volume(copy.volume)
        if volume is not None and not volume.backing_path:
            yield PublishedCopy(pool, volume, copy, description.facts(disk))
