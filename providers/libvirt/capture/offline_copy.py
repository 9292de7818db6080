"""Copies the disks of a machine that is off: its host copies from volume to volume, and resolves overlays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.libvirt.host import domains
from reconciler.providers.libvirt.host.bindings import volume_sizes
from reconciler.providers.libvirt.host.domains import DomainDisk
from reconciler.providers.libvirt.host.failures import is_missing_pool, is_missing_volume
from reconciler.providers.libvirt.host.volumes import volume_xml

if TYPE_CHECKING:
    import libvirt

    from reconciler.providers.libvirt.host.pools import Pool

_INTERVAL_S = 0.5


def copy(
    handle: libvirt.virConnect,
    domain: libvirt.virDomain,
    disks: Sequence[tuple[DomainDisk, str]],
    pool: Pool,
    disk_format: str,
    progress: Callable[[int, int], None],
) -> None:
    """Creates a volume from each disk under the name beside it. Progress is in allocated bytes.

    Raises: SourceError if a disk is in no pool or has another format than the machine assumes, or if the machine was
    started meanwhile; libvirt.libvirtError.
    """
    volumes = [volume_of(handle, domain, disk) for disk, _ in disks]
    before = [_stamp(volume) for volume in volumes]
    sizes = [volume_sizes(volume)[1] for volume in volumes]
    total, done = sum(sizes), 0
    for volume, (_, name), size in zip(volumes, disks, sizes, strict=True):
        with reporting_growth(pool, name, _from(progress, done, size, total)):
            _copy_volume(handle, pool, volume, name, disk_format)
        done += size
        progress(done, total)
    if not domains.is_off(domain) or [_stamp(volume) for volume in volumes] != before:
        raise SourceError(
            f"the machine '{domain.name()}' was used while its disks were copied", "leave it off, and apply again"
        )


def _from(progress: Callable[[int, int], None], done: int, size: int, total: int) -> Callable[[int], None]:
    """A callback that reports the bytes of one disk, `size` in total, as bytes of all disks."""
    return lambda now: progress(done + min(now, size), total)


def convert(handle: libvirt.virConnect, pool: Pool, source: str, target: str, disk_format: str) -> None:
    """Creates the volume `target` of `disk_format` with the content of the volume `source` in the same pool."""
    volume = handle.storagePoolLookupByName(pool.name).storageVolLookupByName(source)
    _copy_volume(handle, pool, volume, target, disk_format)


def _copy_volume(
    handle: libvirt.virConnect, pool: Pool, source: libvirt.virStorageVol, target: str, disk_format: str
) -> None:
    description = volume_xml(target, volume_sizes(source)[0], disk_format)
    into = handle.storagePoolLookupByName(pool.name)
    with pool.connection.between_pools():
        pool.require_lease()
        into.createXMLFrom(description, source, 0)


def volume_of(handle: libvirt.virConnect, domain: libvirt.virDomain, disk: DomainDisk) -> libvirt.virStorageVol:
    """The volume of a disk. The guest wrote the first bytes of a raw disk, so they must not be trusted as a header.

    Source: CVE-2010-2237 and CVE-2010-2238: libvirt probed the format of disks that a guest could write.
    """
    import libvirt

    try:
        if disk.kind == "volume":
            pool, _, name = disk.source.partition("/")
            volume = handle.storagePoolLookupByName(pool).storageVolLookupByName(name)
        else:
            volume = _by_path(handle, disk.source)
    except libvirt.libvirtError as cause:
        if not is_missing_volume(cause) and not is_missing_pool(cause):
            raise
        raise SourceError(
            f"'{disk.source}', disk {disk.target} of the machine '{domain.name()}', is in no active pool of its host",
            "define and start a pool for its directory there: virsh pool-define-as NAME dir --target DIRECTORY",
        ) from cause
    kind = domains.parse(volume.XMLDesc()).find("./target/format")
    listed = kind.get("type", "raw") if kind is not None else "raw"
    if listed != disk.format:
        raise SourceError(
            f"the machine '{domain.name()}' opens its disk {disk.target} as {disk.format}, but it looks like {listed}",
            f"check '{disk.source}'; if the machine is right, copy it with qemu-img -f {disk.format}",
        )
    return volume


def _by_path(handle: libvirt.virConnect, path: str) -> libvirt.virStorageVol:
    """The volume at a path. If it is unknown, its pool is refreshed: the file may be newer than the last refresh."""
    import libvirt

    try:
        return handle.storageVolLookupByPath(path)
    except libvirt.libvirtError as error:
        if not is_missing_volume(error):
            raise
    for pool in handle.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        target = domains.parse(pool.XMLDesc()).findtext("./target/path")
        if target and path.startswith(f"{target.rstrip('/')}/"):
            pool.refresh()
    return handle.storageVolLookupByPath(path)


def _stamp(volume: libvirt.virStorageVol) -> str:
    """It changes when something is written."""
    root = domains.parse(volume.XMLDesc())
    return root.findtext("./target/timestamps/mtime", "") + root.findtext("./physical", "")


@contextmanager
def reporting_growth(pool: Pool, name: str, report: Callable[[int], None]) -> Iterator[None]:
    """Reports the allocated bytes of a volume while the block creates it; libvirt answers only when it is complete."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_INTERVAL_S):
            try:
                volume = pool.volume(name)  # on this thread's own connection
            except ProviderError:  # the host is gone, which the copy itself reports
                continue
            if volume is not None:
                report(volume.allocation)

    thread = threading.Thread(target=watch, name=f"progress of {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
