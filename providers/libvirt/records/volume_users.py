"""The users of a volume: machines, running or not, directly or through backing chains, and other volumes.

Machines of a host name paths on that host. Another host's machines use the same volume only if both hosts have the pool
from one server (NFS, Gluster, ...); then both pools name the same source.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.providers.errors import ObjectConflict, SourceError
from reconciler.providers.libvirt.host.commands import virsh
from reconciler.providers.libvirt.host.domains import parse
from reconciler.providers.libvirt.host.failures import is_busy, is_missing_pool, is_missing_volume

if TYPE_CHECKING:
    import libvirt

    from reconciler.providers.libvirt.host.connections import Connection
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.host.volumes import Volume

_INACTIVE = 2  # VIR_DOMAIN_XML_INACTIVE
_ACTIVE = 1  # VIR_CONNECT_LIST_DOMAINS_ACTIVE
_ACTIVE_POOLS = 2  # VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
_DIRECTORIES = 64  # VIR_CONNECT_LIST_STORAGE_POOLS_DIR
_LONGEST_CHAIN = 200  # as many images as QEMU opens for a chain


def require_unused(hosts: Hosts, pool: Pool, volumes: Collection[Volume], why: str, besides: str = "") -> None:
    """Raises: ObjectConflict naming a volume that is in use and the machine or volume that uses it. `why` is what is
    refused, `besides` a machine on the pool's host that does not count. Unavailable if a host that may have a user
    cannot be asked."""
    paths = {volume.path: volume.name for volume in volumes}
    if not paths:
        return
    use = next(_users(hosts, pool, paths, besides), None)
    if use is None:
        return
    path, user = use
    raise ObjectConflict(
        f"{why}: the volume '{paths[path]}' in the pool '{pool.name}' is used by {user}",
        "remove that machine or volume first, or leave this version where it is",
    )


def require_not_running(connection: Connection, volume: Volume) -> None:
    """Raises: SourceError if a machine that is not off has the volume: a copy would mix content of several moments."""
    with connection.asking(f"looking for machines that use the volume '{volume.name}'") as handle:
        for domain in handle.listAllDomains(_ACTIVE):
            if volume.path in _chains(handle, domain):
                name = domain.name()
                raise SourceError(
                    f"the volume '{volume.name}' is in use by the machine '{name}', which is on",
                    f"shut it down ({virsh('shutdown', name)}), or give `vm: {name}` as the source",
                )


def _users(hosts: Hosts, pool: Pool, paths: Mapping[str, str], besides: str) -> Iterator[tuple[str, str]]:
    """(path, user) for everything that prevents one of the paths from being deleted."""
    yield from _machines(pool.connection, paths, besides)
    yield from _overlays(pool.connection, paths)
    source = _shared_source(pool.connection, pool.name)
    if not source:
        return
    others = {hosts.connection(region).uri: hosts.connection(region) for region in hosts.regions}
    for uri, connection in others.items():
        if uri != pool.connection.uri:
            for target in _targets(connection, source):
                same = {f"{target}/{name}": path for path, name in paths.items()}
                yield from ((same[path], user) for path, user in _machines(connection, same))


def _overlays(connection: Connection, paths: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(path, the volume that it backs) in all active pools of a host. Directory pools are refreshed first, because
    libvirt does not know files that were created there by hand; pools that libvirt mounts are not, because it unmounts
    a pool if its refresh fails.

    A refresh costs 19 ms for 1,000 volumes, and reading their XML 160 ms (libvirt 9.0, on one machine).
    """
    with connection.asking("looking for overlays on a volume") as handle:
        for pool in handle.listAllStoragePools(_ACTIVE_POOLS | _DIRECTORIES):
            _refresh(pool)
        for pool in handle.listAllStoragePools(_ACTIVE_POOLS):
            for volume in pool.listAllVolumes():
                description = _description_of(volume)
                backing = description.findtext("./backingStore/path") or ""
                if backing in paths and description.findtext("./target/path") not in paths:
                    yield backing, f"the volume '{description.findtext('./name')}', an overlay on it"


def _machines(connection: Connection, paths: Collection[str], besides: str = "") -> Iterator[tuple[str, str]]:
    with connection.asking("looking for machines that use a volume") as handle:
        for domain in handle.listAllDomains(0):
            if besides and domain.name() == besides:
                continue
            for path in _chains(handle, domain):
                if path in paths:
                    yield path, f"the machine '{domain.name()}' on {connection.name}"


def _descriptions(domain: libvirt.virDomain) -> Iterator[str]:
    """The XML of a machine as it runs, and as it would start again; none if it went away meanwhile."""
    import libvirt

    try:
        yield domain.XMLDesc(0)
        if domain.isPersistent() and domain.isActive():
            yield domain.XMLDesc(_INACTIVE)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise


def _chains(handle: libvirt.virConnect, domain: libvirt.virDomain) -> Iterator[str]:
    """The paths of all disks and of their backing chains. Raises: ObjectConflict if the chain of one is unknown. For a
    running machine the host lists everything that it has open."""
    seen: set[str] = set()
    for description in _descriptions(domain):
        for disk in parse(description).iterfind("./devices/disk"):
            driver = disk.find("driver")
            disk_format = driver.get("type", "raw") if driver is not None else "raw"
            for source in disk.iter("source"):
                path = _path(handle, source)
                if path and path not in seen:
                    for member in _chain(handle, domain, path, "raw" if domain.isActive() else disk_format):
                        seen.add(member)
                        yield member


def _path(handle: libvirt.virConnect, source: ElementTree.Element) -> str:
    """The path of a disk's source; empty if it is not a file or device of the host."""
    import libvirt

    pool, volume = source.get("pool"), source.get("volume")
    if not pool or not volume:
        return source.get("file") or source.get("dev") or ""
    try:
        return str(handle.storagePoolLookupByName(pool).storageVolLookupByName(volume).path())
    except libvirt.libvirtError as error:
        if is_missing_pool(error) or is_missing_volume(error):
            return ""
        raise


def _chain(handle: libvirt.virConnect, domain: libvirt.virDomain, path: str, disk_format: str) -> Iterator[str]:
    """The path, opened as `disk_format`, and those of its backing files."""
    for _ in range(_LONGEST_CHAIN):
        if not path:
            return
        yield path
        volume = _volume_at(handle, path)
        if volume is None:
            if disk_format != "raw" and _active_pool_over(handle, path) is None:
                raise ObjectConflict(
                    f"it is unknown which volumes the machine '{domain.name()}' uses: its '{path}' is in no active "
                    "pool of its host, and may be an overlay",
                    "create a pool for its directory there: virsh pool-create-as NAME dir --target DIRECTORY",
                )
            return
        description = _description_of(volume)
        path = description.findtext("./backingStore/path") or ""
        backing_format = description.find("./backingStore/format")
        disk_format = backing_format.get("type", "raw") if backing_format is not None else "raw"


def _volume_at(handle: libvirt.virConnect, path: str) -> libvirt.virStorageVol | None:
    """The volume at a path; None if no active pool has it. A pool that does not know the file is refreshed first: it
    may be newer than the last refresh."""
    import libvirt

    for refresh in (True, False):
        try:
            return handle.storageVolLookupByPath(path)
        except libvirt.libvirtError as error:
            if not is_missing_volume(error) and not is_missing_pool(error):
                raise
        pool = _active_pool_over(handle, path) if refresh else None
        if pool is None:
            return None
        _refresh(pool)
    return None


def _active_pool_over(handle: libvirt.virConnect, path: str) -> libvirt.virStoragePool | None:
    """The pool whose directory a path is in."""
    folder = path.rpartition("/")[0]
    for pool in handle.listAllStoragePools(_ACTIVE_POOLS):
        if (parse(pool.XMLDesc(0)).findtext("./target/path") or "").rstrip("/") == folder:
            return pool
    return None


def _refresh(pool: libvirt.virStoragePool) -> None:
    """Refreshes a pool. A busy pool keeps its last listing, and one that went away has no volumes. Raises:
    ObjectConflict if the refresh fails; then libvirt has stopped the pool."""
    import libvirt

    try:
        pool.refresh(0)
    except libvirt.libvirtError as error:
        if is_busy(error) or is_missing_pool(error):
            return
        if pool.isActive():
            raise
        raise ObjectConflict(
            f"it is unknown which volumes are overlays on others: the pool '{pool.name()}' cannot be refreshed, and "
            f"its host has stopped it: {error}",
            f"repair it and start it ({virsh('pool-start', pool.name())}), or leave it stopped; then apply again",
        ) from error


def _description_of(volume: libvirt.virStorageVol) -> ElementTree.Element:
    """The XML of a volume; empty for one that went away meanwhile."""
    import libvirt

    try:
        return parse(volume.XMLDesc(0))
    except libvirt.libvirtError as error:
        if not is_missing_volume(error):
            raise
        return parse("<volume/>")


def _shared_source(connection: Connection, pool: str) -> str:
    """The network source of a pool, which other hosts can share: its servers and its directory or name there; else
    empty."""
    with connection.asking(f"looking at the pool '{pool}'") as handle:
        return _source_of(handle.storagePoolLookupByName(pool).XMLDesc(0))


def _source_of(description: str) -> str:
    root = parse(description)
    hosts = sorted(host.get("name", "") for host in root.iterfind("./source/host"))
    places = [element.get("path", "") for element in root.iterfind("./source/dir")]
    name = root.findtext("./source/name") or ""
    return " ".join((root.get("type", ""), *hosts, *places, name)) if hosts else ""


def _targets(connection: Connection, source: str) -> Iterator[str]:
    """The directories at which a host has the network source `source`."""
    with connection.asking("looking for pools that share a volume") as handle:
        for pool in handle.listAllStoragePools(0):
            description = pool.XMLDesc(0)
            if _source_of(description) == source:
                yield parse(description).findtext("./target/path") or ""
