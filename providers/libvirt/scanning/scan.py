"""Looks at the pools: one listing of each for objects that should be as recorded, a full look at the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.common import scanning
from reconciler.providers.common.fingerprints import stamps_in
from reconciler.providers.common.scanning import described, unmarked, without_description
from reconciler.providers.libvirt.host import object_names
from reconciler.providers.libvirt.records.description_store import BrokenDescription
from reconciler.providers.libvirt.records.descriptions import Description, stamp
from reconciler.providers.libvirt.records.lost_descriptions import copies_by_content
from reconciler.providers.libvirt.records.ownership import foreign_volumes
from reconciler.providers.libvirt.records.pool_snapshots import PoolSnapshot, PoolSnapshots
from reconciler.providers.libvirt.scanning.unmanaged import unmanaged
from reconciler.providers.libvirt.scanning.volume_checks import check_volumes
from reconciler.providers.protocol import Observed, ProgressCallback, Scan, Scope

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts


def scan(hosts: Hosts, scope: Scope, progress: ProgressCallback | None) -> Scan:
    """The answer to a scope; see `Reader.scan`."""
    hosts.expect(scope.places)
    snapshots = PoolSnapshots(hosts, hosts.regions, scope.places)
    return scanning.scan(
        scope,
        lambda address, fingerprint: _still_matches(snapshots, address, fingerprint),
        lambda address, fingerprint: _look(snapshots, address, fingerprint, deep=scope.deep, progress=progress),
        lambda: unmanaged(snapshots, scope.wanted, _look_in_pools),
    )


def read(hosts: Hosts, address: Address) -> Observed | None:
    """As `Reader.read`."""
    regions = [address.region] if address.region else hosts.regions
    return _look(PoolSnapshots(hosts, [region for region in regions if region in hosts.regions]), address)


def _still_matches(snapshots: PoolSnapshots, address: Address, fingerprint: str) -> bool:
    """Whether every volume that a fingerprint names has the recorded stamp, and there is no newer description."""
    place = object_names.place_in(fingerprint)
    snapshot = snapshots.by_region.get(place.region)
    if snapshot is None or snapshot.pool.place != place:
        return False
    entries = stamps_in(fingerprint)
    sidecars = snapshot.sidecars.get((address, ""), ())
    if not sidecars or sidecars[0].volume not in entries:
        return False
    return all(_stamp(snapshot, name) == recorded for name, recorded in entries.items())


def _stamp(snapshot: PoolSnapshot, name: str) -> str:
    """The present stamp of a volume; for a path, that of the volume with this path in any pool of the host."""
    if not name.startswith("/"):
        return stamp(snapshot.volumes[name]) if name in snapshot.volumes else ""
    from reconciler.providers.libvirt.scanning.volume_checks import stamp_of_path

    return stamp_of_path(snapshot.pool, name)


def _look(
    snapshots: PoolSnapshots,
    address: Address,
    fingerprint: str = "",
    *,
    deep: bool = False,
    progress: ProgressCallback | None = None,
) -> Observed | None:
    """One object as it is, or None if it is certainly absent. Raises: Unavailable if a region that cannot be asked may
    have it."""
    seen = _look_in_pools(snapshots, address, fingerprint, deep=deep, progress=progress)
    if seen is None:
        recorded = object_names.place_in(fingerprint)
        region = address.region or recorded.region
        if region:
            snapshots.require_home(region, recorded.pool)
        else:
            snapshots.require_all()
    return seen


def _look_in_pools(
    snapshots: PoolSnapshots,
    address: Address,
    fingerprint: str = "",
    *,
    deep: bool = False,
    progress: ProgressCallback | None = None,
) -> Observed | None:
    """One object as it is; None if no region that can be asked has it. Raises: Unavailable if its host went away after
    the snapshot."""
    if address.region:
        snapshot = snapshots.by_region.get(address.region)
        if snapshot is None:
            return None
        return _region(snapshots, snapshot, address, fingerprint, deep=deep, progress=progress)
    for snapshot in snapshots.by_region.values():
        if (address, "") in snapshot.sidecars:
            seen = _container(snapshot, address)
            if seen is not None:
                return seen
    return None


def _container(snapshot: PoolSnapshot, address: Address) -> Observed | None:
    object_id = object_names.object_id(snapshot.region, snapshot.pool.name, address)
    try:
        stored = snapshot.descriptions.description(address)
    except BrokenDescription as error:
        return without_description(address, object_id, error.message, mark_lost=error.lost)
    if stored is None:  # removed since the snapshot
        return None
    fingerprint = object_names.fingerprint(snapshot.pool.place, [stored.entry])
    return described(address, object_id, stored.description, fingerprint)


def _region(
    snapshots: PoolSnapshots,
    snapshot: PoolSnapshot,
    address: Address,
    fingerprint: str,
    *,
    deep: bool,
    progress: ProgressCallback | None,
) -> Observed | None:
    object_id = object_names.object_id(snapshot.region, snapshot.pool.name, address)
    try:
        stored = snapshot.descriptions.description(address) if (address, "") in snapshot.sidecars else None
    except BrokenDescription as error:
        return _undescribed(snapshots, snapshot, address, fingerprint, error)
    if stored is not None:
        recorded = stamps_in(fingerprint)
        stamps, defects = check_volumes(snapshot, address, stored, recorded, deep=deep, progress=progress)
        text = object_names.fingerprint(snapshot.pool.place, stamps)
        return described(address, object_id, stored.description, text, defects)
    return _undescribed(snapshots, snapshot, address, fingerprint)


def _undescribed(
    snapshots: PoolSnapshots,
    snapshot: PoolSnapshot,
    address: Address,
    fingerprint: str,
    broken: BrokenDescription | None = None,
) -> Observed | None:
    """A region without a description that can be read: None if there are no volumes either."""
    object_id = object_names.object_id(snapshot.region, snapshot.pool.name, address)
    store = snapshot.descriptions
    names = foreign_volumes(store, address, None, store.pending(address))
    if not names and (broken is None or broken.lost):
        return None
    lost = (broken is None or broken.lost) and _were_recorded(snapshots, snapshot, address, names, fingerprint)
    if lost or broken is not None:
        defect = broken.message if broken else f"the description of {address} is missing"
        return without_description(address, object_id, defect, mark_lost=lost)
    return unmarked(address, object_id)


def _were_recorded(
    snapshots: PoolSnapshots, snapshot: PoolSnapshot, address: Address, names: Sequence[str], fingerprint: str
) -> bool:
    """Whether volumes with a version's names are those of the region: the recorded fingerprint names them, or, without
    one, each has the content of a disk of the version. Then they are read."""
    if fingerprint:
        return set(names) <= stamps_in(fingerprint).keys()
    version = _described_in(snapshots, address.unit)
    return bool(version and copies_by_content(snapshot.pool, names, version.computed.get("disks", {})))


def _described_in(snapshots: PoolSnapshots, address: Address) -> Description | None:
    """The description of a gallery, definition or version in the first pool that has one."""
    for snapshot in snapshots.by_region.values():
        if (address, "") in snapshot.sidecars:
            try:
                stored = snapshot.descriptions.description(address)
            except BrokenDescription:
                continue
            if stored is not None:
                return stored.description
    return None
