"""Changes and removes target regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.errors import ObjectConflict, ProviderError, SourceError, Unavailable
from reconciler.providers.libvirt.publishing import shallow_versions, volume_filling
from reconciler.providers.libvirt.publishing.region_build import Site, clear, open_site, restamped
from reconciler.providers.libvirt.records.complete_copies import PublishedCopy, is_whole
from reconciler.providers.libvirt.records.description_store import Shelf
from reconciler.providers.libvirt.records.descriptions import Copy, Description, stamp
from reconciler.providers.libvirt.records.ownership import our_region
from reconciler.providers.libvirt.records.volume_users import require_unused
from reconciler.providers.protocol import Applied, OwnerMark, ProgressCallback, Step

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts


class Regions:
    """Works for one lineage."""

    def __init__(self, hosts: Hosts, lineage: str, progress: ProgressCallback) -> None:
        self._hosts = hosts
        self._lineage = lineage
        self._progress = progress

    def update(self, step: Step, names: Mapping[str, Sequence[str]], sizes: Mapping[str, int]) -> Applied:
        """Changes a region's attributes and number of replicas; `names` are those of the volumes to be added, `sizes`
        the bytes of each disk. Raises: ProviderError."""
        planned = step.planned or {}
        site = open_site(self._hosts, self._mark(step.address), planned, names, sizes, self._progress)
        if site.before is None:
            raise ProviderError(f"{step.address} is not there any more", "plan again: it will be made anew")
        description = site.before.description
        wanted = int(planned["replicas"])
        site.copies = [copy for copy in description.copies if copy.replica <= wanted]
        leaving = [copy for copy in description.copies if copy.replica > wanted]
        try:
            if names or leaving:
                site.begin(leaving)
            for disk, added in names.items():
                self._add(site, description, disk, added)
            return site.publish(description.computed)
        except ProviderError as error:
            site.error = error
            site.abandon()
            raise

    def _add(self, site: Site, description: Description, disk: str, names: Sequence[str]) -> None:
        """Makes more copies of a disk. Raises: ProviderError."""
        present = [copy for copy in site.copies if copy.disk == disk]
        number = max((copy.replica for copy in present), default=0)
        if shallow_versions.is_shallow(description):
            below, size = description.computed[shallow_versions.SHALLOW][disk], site.sizes[disk]
            for more, name in enumerate(names, 1):
                site.copies.append(shallow_versions.overlay(site, below, size, disk, name, number + more))
            return
        for more, name in enumerate(names, 1):
            copy = _whole_one(site, description, present)
            volume_filling.replicate(site.pool, copy, site.pool, name, site.meter(name))
            site.copies.append(restamped(site.pool, replace(copy, volume=name, replica=number + more)))

    def delete(self, step: Step) -> Applied:
        """Removes a region's volumes and then its description; one that is gone is fine.

        Raises: ObjectConflict when something there is not ours, or in use; ProviderError.
        """
        address = step.address
        pool = self._hosts.pool(address.region)
        pool.refresh()
        found, making = our_region(pool, self._mark(address))
        copies = found.description.copies if found else ()
        volumes = pool.volumes()
        there = [volumes[copy.volume] for copy in copies if copy.volume in volumes]
        require_unused(self._hosts, pool, there, f"{address} cannot be deleted")
        if making is not None:
            clear(self._hosts, pool, making, {copy.volume for copy in copies})
        for copy in sorted(copies, key=lambda one: -one.replica):  # overlays go before what they lie on
            pool.delete(copy.volume)
        Shelf(pool).remove(address)
        return Applied()

    def tidy(self, address: Address) -> None:
        """Removes what interrupted operations of this lineage left of a region. What is in use stays, and so does what
        a host has that cannot be asked. Raises: ProviderError."""
        try:
            pool = self._hosts.pool(address.region)
            pool.refresh()
            shelf = Shelf(pool)
            shelf.discard_cut_short(address)
            making = shelf.making(address)
            if making is None or making.mark != self._mark(address):
                return
            found = shelf.description(address)
            clear(self._hosts, pool, making, {copy.volume for copy in found.description.copies} if found else set())
        except (Unavailable, ObjectConflict):
            return

    def _mark(self, address: Address) -> OwnerMark:
        return OwnerMark(self._lineage, address)


def _whole_one(site: Site, description: Description, copies: Sequence[Copy]) -> Copy:
    """A copy in this region to make others from. Raises: SourceError when none is whole."""
    doubtful: list[Copy] = []
    for copy in copies:
        volume = site.pool.volume(copy.volume)
        if volume is not None and stamp(volume) == copy.stamp:
            return copy
        if volume is not None and is_whole(PublishedCopy(site.pool, volume, copy, description.facts(copy.disk))):
            doubtful.append(copy)
    if doubtful:
        return doubtful[0]
    raise SourceError(f"no copy in {site.address} is whole", "plan again: the region will be repaired")
