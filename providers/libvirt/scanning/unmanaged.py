"""What the pools contain besides the objects of a scan: others' objects, and volumes named after galleries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from reconciler.manifests.address import Address
from reconciler.providers.common.scanning import unmarked
from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.host import object_names
from reconciler.providers.libvirt.records import sidecars
from reconciler.providers.libvirt.records.description_store import is_pending
from reconciler.providers.libvirt.records.pool_snapshots import PoolSnapshot, PoolSnapshots
from reconciler.providers.libvirt.records.volume_names import VolumeName
from reconciler.providers.protocol import Observed

Look = Callable[[PoolSnapshots, Address], Observed | None]


def unmanaged(snapshots: PoolSnapshots, wanted: Mapping[Address, object], look: Look) -> Iterator[Observed]:
    """A volume that belongs to no object has the address of its gallery or target region. Volumes that are not named
    after a gallery here are left out: pools may contain anything else."""
    described = {
        address
        for snapshot in snapshots.by_region.values()
        for address, note in snapshot.sidecars
        if not note and address.region in ("", snapshot.region)  # else left from when another region used the pool
    }
    for address in described - wanted.keys():
        seen = look(snapshots, address)
        if seen is not None:
            yield seen
    galleries = {address.gallery for address in chain(described, wanted)}
    for snapshot in snapshots.by_region.values():
        yield from _foreign_volumes(snapshot, galleries, described, wanted)


def _foreign_volumes(
    snapshot: PoolSnapshot, galleries: set[str], described: set[Address], wanted: Mapping[Address, object]
) -> Iterator[Observed]:
    named = set(_named(snapshot))
    for name in snapshot.volumes:
        gallery = name.partition("-")[0]
        if name in named or sidecars.is_ours(name) or gallery not in galleries:
            continue
        parsed = VolumeName.parse(name)
        address = parsed.version._replace(region=snapshot.region) if parsed else Address(gallery)
        defect = "a volume that does not belong here" if address in described or address in wanted else ""
        yield unmarked(address, object_names.volume_id(snapshot.region, snapshot.pool.name, name), defect)


def _named(snapshot: PoolSnapshot) -> Iterator[str]:
    """The volumes that a description or a list of pending volumes names."""
    for address, note in snapshot.sidecars:
        if not address.region:
            continue
        try:
            if is_pending(note):
                yield from (volume for pending in snapshot.descriptions.pending(address) for volume in pending.volumes)
            elif not note:
                stored = snapshot.descriptions.description(address)
                yield from (copy.volume for copy in stored.description.copies) if stored else ()
        except ProviderError:  # the volumes that it names are unknown, and are shown as unmanaged
            continue
