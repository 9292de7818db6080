"""Changes, removes and tidies target regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.common.steps import vanished
from reconciler.providers.errors import ObjectConflict, ProviderError, SourceError, Unavailable
from reconciler.providers.libvirt.publishing import shallow_versions, volume_filling
from reconciler.providers.libvirt.publishing.region_build import (
    RegionBuild,
    discard_pending,
    existing_volumes,
    open_build,
    restamped,
    volumes_of,
)
from reconciler.providers.libvirt.records.complete_copies import CompleteCopy, is_intact
from reconciler.providers.libvirt.records.description_store import (
    BrokenDescription,
    DescriptionStore,
    StoredDescription,
)
from reconciler.providers.libvirt.records.descriptions import Copy, Description, PendingVolumes, stamp
from reconciler.providers.libvirt.records.lost_descriptions import NOTHING_RECORDED, Recorded
from reconciler.providers.libvirt.records.ownership import our_region
from reconciler.providers.libvirt.records.volume_users import require_unused
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, ProgressCallback, Step

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool


class RegionChanges:
    """Changes, removes and tidies regions for one writer."""

    def __init__(
        self, hosts: Hosts, writer: Writer, progress: ProgressCallback, recorded: Recorded = NOTHING_RECORDED
    ) -> None:
        self._hosts = hosts.for_writer(writer)
        self._writer = writer
        self._progress = progress
        self._recorded = recorded

    def update(self, step: Step, names: Mapping[str, Sequence[str]], sizes: Mapping[str, int]) -> Applied:
        """Changes a region's attributes and number of replicas; `names` are those of the volumes to be added, `sizes`
        the bytes of each disk. Raises: ProviderError."""
        planned = step.planned or {}
        build = open_build(
            self._hosts, self._writer, step.address, planned, names, sizes, self._progress, self._recorded
        )
        if build.previous is None:
            raise vanished(step.address)
        description = build.previous.description
        wanted = int(planned["replicas"])
        build.copies = [copy for copy in description.copies if copy.replica <= wanted]
        leaving = [copy for copy in description.copies if copy.replica > wanted]
        try:
            if names or leaving:
                build.start(leaving)
            for disk, added in names.items():
                self._add(build, description, disk, added)
            build.computed = description.computed
            return build.publish()
        except ProviderError as error:
            build.error = error
            build.abandon()
            raise

    def _add(self, build: RegionBuild, description: Description, disk: str, names: Sequence[str]) -> None:
        """Creates more copies of a disk. Raises: ProviderError."""
        present = [copy for copy in build.copies if copy.disk == disk]
        number = max((copy.replica for copy in present), default=0)
        if shallow_versions.is_shallow(description):
            backing, size = description.computed[shallow_versions.SHALLOW][disk], build.sizes[disk]
            for more, name in enumerate(names, 1):
                build.copies.append(shallow_versions.overlay(build, backing, size, disk, name, number + more))
            return
        for more, name in enumerate(names, 1):
            copy = _intact_copy(build, description, present)
            volume_filling.replicate(build.pool, copy, build.pool, name, build.volume_progress(name))
            build.copies.append(restamped(build.pool, replace(copy, volume=name, replica=number + more)))

    def require_deletable(self, step: Step) -> None:
        """Raises: ObjectConflict if something in a region is not ours, or is in use; ProviderError."""
        self._deletable(step)

    def _deletable(self, step: Step) -> tuple[Pool, StoredDescription | None, Sequence[PendingVolumes]]:
        address = step.address
        pool = self._hosts.pool_to_change(address.region)
        stored, pending = our_region(pool, self._writer, address, self._recorded)
        copies = stored.description.copies if stored else ()
        require_unused(self._hosts, pool, existing_volumes(pool, copies), f"{address} cannot be deleted")
        return pool, stored, pending

    def delete(self, step: Step) -> Applied:
        """Removes a region's volumes and then its description; a missing region is fine.

        Raises: as require_deletable.
        """
        address = step.address
        pool, stored, pending = self._deletable(step)
        copies = stored.description.copies if stored else ()
        discard_pending(self._hosts, pool, pending, self._writer, volumes_of(stored))
        for copy in sorted(copies, key=lambda copy: -copy.replica):  # overlays go before their backing volumes
            pool.delete(copy.volume)
        DescriptionStore(pool).remove(address)
        return Applied()

    def tidy(self, address: Address) -> None:
        """Removes what interrupted operations of this owner left of a region. Volumes in use stay, and so do those
        of a host that cannot be asked. If the description is lost, or a copy that is to stay is not whole, everything
        stays that the region had before: the next operation on it decides. Raises: ProviderError."""
        try:
            pool = self._hosts.pool_to_change(address.region)
            store = DescriptionStore(pool)
            store.discard_cut_short(address, self._writer.fence)
            if pending := store.pending(address):
                stored = store.description(address)
                if stored is None or not _all_intact(pool, stored.description):
                    pending = tuple(left for left in pending if not left.leaving)
                discard_pending(self._hosts, pool, pending, self._writer, volumes_of(stored))
        except (Unavailable, ObjectConflict, BrokenDescription):
            return


def _all_intact(pool: Pool, description: Description) -> bool:
    """Whether all copies of a region are whole; those that have changed since they were complete are read."""
    for copy in description.copies:
        volume = pool.volume(copy.volume)
        if volume is None:
            return False
        if stamp(volume) != copy.stamp and not is_intact(
            CompleteCopy(pool, volume, copy, description.facts(copy.disk))
        ):
            return False
    return True


def _intact_copy(build: RegionBuild, description: Description, copies: Sequence[Copy]) -> Copy:
    """A copy in this region to make others from. Raises: SourceError if none is intact."""
    doubtful: list[Copy] = []
    for copy in copies:
        volume = build.pool.volume(copy.volume)
        if volume is not None and stamp(volume) == copy.stamp:
            return copy
        if volume is not None and is_intact(CompleteCopy(build.pool, volume, copy, description.facts(copy.disk))):
            doubtful.append(copy)
    if doubtful:
        return doubtful[0]
    raise SourceError(f"no copy in {build.address} is intact", "plan again: the region will be repaired")
