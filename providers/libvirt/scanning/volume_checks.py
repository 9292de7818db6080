"""A region's volumes compared with what its description says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.common.scanning import counting
from reconciler.providers.errors import SourceError
from reconciler.providers.libvirt.content.volume_reading import digest_of_volume
from reconciler.providers.libvirt.records.description_store import StoredDescription
from reconciler.providers.libvirt.records.descriptions import Copy, stamp
from reconciler.providers.libvirt.records.pool_snapshots import PoolSnapshot
from reconciler.providers.protocol import ProgressCallback

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.host.volumes import Volume


def check_volumes(
    snapshot: PoolSnapshot,
    address: Address,
    stored: StoredDescription,
    recorded: Mapping[str, str],
    *,
    deep: bool,
    progress: ProgressCallback | None,
) -> tuple[list[tuple[str, str]], list[str]]:
    """The (name, stamp) pairs of a region's fingerprint, and its defects. A volume is read if its stamp is neither that
    in the description nor the one `recorded`, or `deep`. Raises: Unavailable if the host went away."""
    description, stamps, defects = stored.description, [stored.entry], []
    advance = counting(address, sum(copy.capacity for copy in description.copies), progress)
    for copy in description.copies:
        volume = snapshot.volumes.get(copy.volume)
        trusted = (copy.stamp, recorded.get(copy.volume))
        stamps.append((copy.volume, stamp(volume) if volume else "absent"))
        defects.append(_defect(snapshot.pool, copy, volume, trusted, deep=deep, advance=advance))
    for backing in description.computed.get("shallow", {}).values():
        if backing["stamp"]:
            now = stamp_of_path(snapshot.pool, backing["path"])
            stamps.append((backing["path"], now or "absent"))
            defects.append(_backing_defect(backing["path"], backing["stamp"], now))
    return stamps, [defect for defect in defects if defect]


def _defect(
    pool: Pool,
    copy: Copy,
    volume: Volume | None,
    trusted: tuple[str | None, ...],
    *,
    deep: bool,
    advance: Callable[[int], None],
) -> str:
    """What is wrong with one volume; empty if nothing is."""
    if volume is None:
        return f"{copy.volume} is missing"
    same = stamp(volume) in trusted
    if same and (not deep or not copy.content.known):
        return ""
    if not same and volume.format != copy.format:
        return f"{copy.volume} was replaced: its format is {volume.format}, not {copy.format}"
    if not same and volume.capacity != copy.capacity:
        return f"{copy.volume} was resized: it has {volume.capacity} bytes, not {copy.capacity}"
    if not copy.content.known:
        return f"{copy.volume} was written to, and an overlay must stay as it was created"
    try:
        plain = copy.content.is_plain
        digest = digest_of_volume(pool, volume, copy.capacity, copy.format, advance, plain=plain)
    except SourceError as error:
        return error.message
    return "" if digest.agrees(copy.content) else f"{copy.volume} has other content than was published"


def _backing_defect(path: str, recorded: str, now: str) -> str:
    if not now:
        return f"its source '{path}' is gone, and a Shallow version has no copy of its own"
    return "" if now == recorded else f"its source '{path}' has changed since"


def stamp_of_path(pool: Pool, path: str) -> str:
    """The stamp of the volume at a path of the pool's host; empty if there is none. Raises: Unavailable."""
    import libvirt

    from reconciler.providers.libvirt.host.failures import is_missing_pool, is_missing_volume
    from reconciler.providers.libvirt.host.volumes import volume_of

    with pool.connection.asking(f"looking at '{path}'") as handle:
        try:
            return stamp(volume_of(handle.storageVolLookupByPath(path).XMLDesc(0)))
        except libvirt.libvirtError as error:
            if is_missing_volume(error) or is_missing_pool(error):
                return ""
            raise
