"""Copies the disks of a machine that is off: its host does it, from volume to volume, and resolves overlays."""

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

_LOOK_EVERY_S = 0.5


def copy(
    handle: libvirt.virConnect,
    domain: libvirt.virDomain,
    disks: Sequence[tuple[DomainDisk, str]],
    pool: Pool,
    form: str,
    progress: Callable[[int, int], None],
) -> None:
    """Makes a volume of each disk under the name beside it. Bytes are those that are allocated.

    Raises: SourceError when a disk is in no pool, is not what the machine takes it for, or the machine was started
    meanwhile; libvirt.libvirtError.
    """
    volumes = [volume_of(handle, domain, disk) for disk, _ in disks]
    before = [_stamp(volume) for volume in volumes]
    sizes = [volume_sizes(volume)[1] for volume in volumes]
    total, done = sum(sizes), 0
    for volume, (_, name), size in zip(volumes, disks, sizes, strict=True):
        with watched(pool, name, _from(progress, done, size, total)):
            _copy_volume(handle, pool, volume, name, form)
        done += size
        progress(done, total)
    if not domains.is_off(domain) or [_stamp(volume) for volume in volumes] != before:
        raise SourceError(
            f"the machine '{domain.name()}' was used while its disks were copied", "leave it off, and apply again"
        )


def _from(progress: Callable[[int, int], None], done: int, size: int, total: int) -> Callable[[int], None]:
    """Tells the bytes of one disk, of which there are `size`, as bytes of all disks."""
    return lambda now: progress(done + min(now, size), total)


def convert(handle: libvirt.virConnect, pool: Pool, source: str, target: str, form: str) -> None:
    """Makes the volume `target` of `form` with the content of the volume `source`, both in one pool."""
    found = handle.storagePoolLookupByName(pool.name).storageVolLookupByName(source)
    _copy_volume(handle, pool, found, target, form)


def _copy_volume(handle: libvirt.virConnect, pool: Pool, source: libvirt.virStorageVol, target: str, form: str) -> None:
    description = volume_xml(target, volume_sizes(source)[0], form)
    into = handle.storagePoolLookupByName(pool.name)
    with pool.connection.crossing():
        into.createXMLFrom(description, source, 0)


def volume_of(handle: libvirt.virConnect, domain: libvirt.virDomain, disk: DomainDisk) -> libvirt.virStorageVol:
    """The volume that a disk is. What a raw disk begins with was written by the machine, and must not be believed.

    Source: CVE-2010-2237 and CVE-2010-2238, which were libvirt probing disks that a machine could write.
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
            "define and start a pool on its folder there: virsh pool-define-as NAME dir --target FOLDER",
        ) from cause
    kind = domains.parse(volume.XMLDesc()).find("./target/format")
    listed = kind.get("type", "raw") if kind is not None else "raw"
    if listed != disk.format:
        raise SourceError(
            f"the machine '{domain.name()}' opens its disk {disk.target} as {disk.format}, and it looks like {listed}",
            f"see what '{disk.source}' is; if the machine is to be believed, copy it with qemu-img -f {disk.format}",
        )
    return volume


def _by_path(handle: libvirt.virConnect, path: str) -> libvirt.virStorageVol:
    """Pools are looked through anew where a file is not known: it may be younger than the last look."""
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
    """What changes when something is written."""
    root = domains.parse(volume.XMLDesc())
    return root.findtext("./target/timestamps/mtime", "") + root.findtext("./physical", "")


@contextmanager
def watched(pool: Pool, name: str, tell: Callable[[int], None]) -> Iterator[None]:
    """Tells how long a volume is that is being made; libvirt itself only answers when it is done."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_EVERY_S):
            try:
                made = pool.volume(name)  # on a connection of this thread's own
            except ProviderError:  # the host is gone, which the copy itself will tell
                continue
            if made is not None:
                tell(made.allocation)

    thread = threading.Thread(target=watch, name=f"progress of {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
