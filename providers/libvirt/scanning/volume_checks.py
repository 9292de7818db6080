"""A region's volumes compared with what its description says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.errors import SourceError
from reconciler.providers.libvirt.content.volume_reading import digest_of_volume
from reconciler.providers.libvirt.host import object_names
from reconciler.providers.libvirt.records.description_store import Found
from reconciler.providers.libvirt.records.descriptions import Copy, stamp
from reconciler.providers.libvirt.records.pool_snapshot import View
from reconciler.providers.protocol import Condition, Observed, ProgressCallback

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.host.volumes import Volume


def checked(
    view: View,
    address: Address,
    object_id: str,
    found: Found,
    recorded: Mapping[str, str],
    *,
    deep: bool,
    progress: ProgressCallback | None,
) -> Observed:
    """The region as it is. A volume is read when its stamp is neither that of the description nor the one `recorded`,
    or `deep`. Raises: Unavailable when the host went away meanwhile."""
    description, defects, stamps = found.description, [], [found.entry]
    advance = _counter(address, sum(copy.capacity for copy in description.copies), progress)
    for copy in description.copies:
        volume = view.volumes.get(copy.volume)
        trusted = (copy.stamp, recorded.get(copy.volume))
        defect = _defect(view.pool, copy, volume, trusted, deep=deep, advance=advance)
        stamps.append((copy.volume, stamp(volume) if volume else "absent"))
        defects += [defect] if defect else []
    for below in description.computed.get("shallow", {}).values():
        if below["stamp"]:
            now = stamp_of_path(view.pool, below["path"])
            stamps.append((below["path"], now or "absent"))
            defects += _defect_below(below["path"], below["stamp"], now)
    return Observed(
        address=address,
        object_id=object_id,
        mark=description.mark,
        fingerprint=object_names.fingerprint(view.pool.place, stamps),
        canonical=canonical_json(description.attributes),
        condition=Condition.DAMAGED if defects else Condition.READY,
        defects=tuple(defects),
        computed=canonical_json(description.computed),
    )


def _defect(
    pool: Pool,
    copy: Copy,
    volume: Volume | None,
    trusted: tuple[str | None, ...],
    *,
    deep: bool,
    advance: Callable[[int], None],
) -> str:
    """What is wrong with one volume; empty when nothing is."""
    if volume is None:
        return f"{copy.volume} is missing"
    same = stamp(volume) in trusted
    if same and (not deep or not copy.sha256):
        return ""
    if not same and volume.format != copy.format:
        return f"{copy.volume} was replaced: it is {volume.format}, and was {copy.format}"
    if not same and volume.capacity != copy.capacity:
        return f"{copy.volume} was resized: it has {volume.capacity} of {copy.capacity} bytes"
    if not copy.sha256:
        return f"{copy.volume} was written to, and an overlay has to stay as it was made"
    try:
        digest = digest_of_volume(pool, volume, copy.capacity, copy.format, advance)
    except SourceError as error:
        return error.message
    return "" if digest == copy.sha256 else f"{copy.volume} has other content than was published"


def _defect_below(path: str, before: str, now: str) -> list[str]:
    if not now:
        return [f"its source '{path}' is gone, and a Shallow version has no copy of its own"]
    return [] if now == before else [f"its source '{path}' has changed since"]


def stamp_of_path(pool: Pool, path: str) -> str:
    """The stamp of the volume at a path of the pool's host; empty when none is there. Raises: Unavailable."""
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


def _counter(address: Address, total: int, progress: ProgressCallback | None) -> Callable[[int], None]:
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done = min(done + more, total)
        if progress:
            progress(address, done, total)

    return advance
