"""One region while its volumes change: a sidecar lists its pending volumes from before the first to after the last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.common.steps import applied
from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.content.progress import RegionProgress, VolumeProgress
from reconciler.providers.libvirt.host import object_names
from reconciler.providers.libvirt.publishing.volume_filling import existing
from reconciler.providers.libvirt.records.description_store import DescriptionStore, StoredDescription
from reconciler.providers.libvirt.records.descriptions import Copy, Description, PendingVolumes, stamp
from reconciler.providers.libvirt.records.lost_descriptions import NOTHING_RECORDED, Recorded
from reconciler.providers.libvirt.records.ownership import our_region
from reconciler.providers.libvirt.records.volume_users import require_unused
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, ProgressCallback

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.host.volumes import Volume


@dataclass(slots=True)
class RegionBuild:
    """One region that an operation works on. `names`: disk -> the names of the volumes to be created, by replica.
    `sizes`: the bytes of each disk. `previous` is the region's description so far, None if it has none; `copies` are
    the complete volumes, `computed` what is to be recorded of them; `error` is why the region failed. `done`: an
    earlier attempt at the operation was interrupted after it had given the region its new volumes, or the region had
    only lost its description."""

    hosts: Hosts
    pool: Pool
    writer: Writer
    address: Address
    planned: Attributes
    names: Mapping[str, Sequence[str]]
    sizes: Mapping[str, int]
    previous: StoredDescription | None
    progress: RegionProgress
    done: bool = False
    copies: list[Copy] = field(default_factory=list)
    computed: Mapping[str, Any] = field(default_factory=dict)
    error: ProviderError | None = None
    _switched: bool = False

    @property
    def store(self) -> DescriptionStore:
        """The descriptions in the region's pool."""
        return DescriptionStore(self.pool)

    @property
    def previous_copies(self) -> tuple[Copy, ...]:
        """The copies that the region's description names so far."""
        return self.previous.description.copies if self.previous else ()

    def volume_progress(self, name: str) -> VolumeProgress:
        """The progress of one of the volumes to be created."""
        start = 0
        for disk, names in self.names.items():
            for volume in names:
                if volume == name:
                    return VolumeProgress(self.progress, start, self.sizes[disk])
                start += self.sizes[disk]
        raise ProviderError(f"the volume '{name}' was never planned. This is a bug.")

    def start(self, leaving: Sequence[Copy] = (), machine: str = "") -> None:
        """Records which volumes will be created and which existing ones (`leaving`) will be removed, before any is
        touched. Raises: ObjectConflict if one that is leaving is in use; ProviderError."""
        require_unused(self.hosts, self.pool, existing_volumes(self.pool, leaving), f"{self.address} cannot be changed")
        created = tuple(name for chosen in self.names.values() for name in chosen)
        removed = tuple(copy.volume for copy in leaving)
        mark = self.writer.owner.mark(self.address)
        pending = PendingVolumes(mark, (*created, *removed), machine, self.writer.fence, removed)
        self.store.write_pending(self.address, pending)

    def publish(self) -> Applied:
        """Writes the new description of the region, and removes the volumes it no longer has. Raises: ProviderError."""
        result = self.switch()
        self.clear()
        return result

    def switch(self) -> Applied:
        """Writes the new description of the region; the volumes it no longer has stay. Raises: ProviderError."""
        if self.done and self.previous is not None:
            return self._applied(self.previous.entry, self.previous.description.copies)
        copies = tuple(sorted(self.copies, key=lambda copy: (copy.replica, copy.disk)))
        mark = self.writer.owner.mark(self.address)
        described = Description(mark, self.planned, self.computed, copies, fence=self.writer.fence)
        entry = self.store.write(self.address, described)
        self._switched = True
        return self._applied(entry, copies)

    def clear(self) -> None:
        """Removes the volumes that the region no longer has. Raises: ProviderError."""
        self._discard_pending({copy.volume for copy in self.copies})

    def restore(self) -> None:
        """Takes `switch` back. Raises: ProviderError."""
        if not self._switched:
            return
        if self.previous is None:
            self.store.remove(self.address)
        else:
            self.store.write(self.address, replace(self.previous.description, fence=self.writer.fence))
        self._switched = False
        self._discard_pending({copy.volume for copy in self.previous_copies})

    def _applied(self, entry: tuple[str, str], copies: Sequence[Copy]) -> Applied:
        object_id = object_names.object_id(self.address.region, self.pool.name, self.address)
        fingerprint = object_names.fingerprint(self.pool.place, [entry, *_stamps(copies, self.computed)])
        return applied(object_id, fingerprint, self.planned, self.computed)

    def abandon(self) -> None:
        """Removes the new volumes, unless the region's description already names them. What cannot be removed now is
        left to `tidy`."""
        if self.done or self._switched:
            return
        try:
            self._discard_pending({copy.volume for copy in self.previous_copies})
        except ProviderError as error:
            self.error = self.error or error

    def _discard_pending(self, kept: set[str]) -> None:
        discard_pending(self.hosts, self.pool, self.store.pending(self.address), self.writer, kept)


def open_build(
    hosts: Hosts,
    writer: Writer,
    address: Address,
    planned: Attributes,
    names: Mapping[str, Sequence[str]],
    sizes: Mapping[str, int],
    progress: ProgressCallback,
    recorded: Recorded = NOTHING_RECORDED,
) -> RegionBuild:
    """A region, after removing what an interrupted run left of it, unless that was complete. Raises: ObjectConflict if
    something there is not ours; ProviderError."""
    pool = hosts.for_writer(writer).pool_to_change(address.region, create=True)
    previous, pending = our_region(pool, writer, address, recorded)
    total = sum(sizes[disk] * len(chosen) for disk, chosen in names.items())
    region_progress = RegionProgress(address, total, progress)
    build = RegionBuild(hosts, pool, writer, address, planned, names, sizes, previous, region_progress)
    if previous is not None and (_was_done(pool, previous, planned, names) or _is_as_planned(previous, planned, names)):
        build.done, build.computed = True, previous.description.computed
        build.copies = list(previous.description.copies)
    else:
        discard_pending(hosts, pool, pending, writer, volumes_of(previous))
    return build


def _was_done(pool: Pool, previous: StoredDescription, planned: Attributes, names: Mapping[str, Sequence[str]]) -> bool:
    """Whether a region already consists of the volumes to be created, and nothing else."""
    chosen = {name for some in names.values() for name in some}
    if not chosen or chosen != volumes_of(previous) or previous.description.attributes != planned:
        return False
    present = pool.volumes()
    return all(
        copy.volume in present and stamp(present[copy.volume]) == copy.stamp for copy in previous.description.copies
    )


def _is_as_planned(previous: StoredDescription, planned: Attributes, names: Mapping[str, Sequence[str]]) -> bool:
    """Whether a region had only lost its description: all its volumes were read, and none is missing."""
    numbers = Counter(copy.disk for copy in previous.description.copies)
    return previous.restored and numbers == dict.fromkeys(names, int(planned["replicas"]))


def volumes_of(stored: StoredDescription | None) -> set[str]:
    """The names of the volumes that a region's description includes; none without a description."""
    return {copy.volume for copy in stored.description.copies} if stored else set()


def existing_volumes(pool: Pool, copies: Sequence[Copy]) -> list[Volume]:
    """The volumes of those copies that still exist."""
    volumes = pool.volumes()
    return [volumes[copy.volume] for copy in copies if copy.volume in volumes]


def discard_pending(hosts: Hosts, pool: Pool, left: Sequence[PendingVolumes], writer: Writer, kept: set[str]) -> None:
    """Removes the volumes that runs of the writer's owner up to its own left pending, except for `kept`, and the lists
    of them. Raises: ProviderError."""
    kept = kept.union(*(pending.volumes for pending in left if pending.fence > writer.fence))
    for pending in left:
        if pending.fence <= writer.fence and writer.owner.owns(pending.mark, pending.mark.address):
            _discard(hosts, pool, pending, kept)


def _discard(hosts: Hosts, pool: Pool, pending: PendingVolumes, kept: set[str]) -> None:
    names = [name for name in pending.volumes if name not in kept]
    if pending.machine:
        from reconciler.providers.libvirt.capture import capture

        region, _, machine = pending.machine.partition("/")
        capture.discard(hosts, region, machine, names, pool, pending.fence)
    volumes = pool.volumes()
    present = [volumes[name] for name in names if name in volumes]
    require_unused(hosts, pool, present, f"what is left of {pending.mark.address} cannot be removed")
    for name in reversed(names):  # overlays go before their backing volumes
        pool.delete(name)
    DescriptionStore(pool).remove_pending(pending.mark.address, pending.fence)


def restamped(pool: Pool, copy: Copy) -> Copy:
    """The copy with the present stamp of its volume."""
    return replace(copy, stamp=stamp(existing(pool, copy.volume)))


def _stamps(copies: Sequence[Copy], computed: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The (name, stamp) pairs of a region's volumes, and of others' volumes that back its overlays."""
    backings = (backing for backing in computed.get("shallow", {}).values() if backing["stamp"])
    return [
        *((copy.volume, copy.stamp) for copy in copies),
        *((backing["path"], backing["stamp"]) for backing in backings),
    ]
