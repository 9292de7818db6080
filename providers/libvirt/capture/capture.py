"""A machine as a source: its OS disk and all its data disks, as of one moment, each with its host caching.

Its host copies a machine that is off from volume to volume, and a running one through a backup job. Either way the
copies are complete: overlays are resolved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.providers.errors import ObjectConflict, SourceError
from reconciler.providers.image_files.source_disks import OS_DISK
from reconciler.providers.libvirt.capture import offline_copy, online_copy
from reconciler.providers.libvirt.capture.online_copy import Target
from reconciler.providers.libvirt.host import domains
from reconciler.providers.libvirt.host.bindings import disk_sizes
from reconciler.providers.libvirt.host.commands import virsh
from reconciler.providers.libvirt.host.domains import DomainDisk

if TYPE_CHECKING:
    import libvirt

    from reconciler.providers.libvirt.host.connections import Connection
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool

Advance = Callable[[int, int], None]
"""Called with the bytes done and the total."""

_SCRATCH = ".reconciler~capture~"


@dataclass(frozen=True, slots=True)
class CapturedDisk:
    """One disk of a machine: `os` or `data-LUN`, its device in the machine, its sizes in bytes, its host caching.

    `identity` is the machine's, not its content's: what was published from it stays as it is when the machine changes.
    """

    disk: str
    device: str
    virtual_size: int
    allocated: int
    caching: str
    identity: str


Disks = tuple[tuple[CapturedDisk, DomainDisk], ...]


@dataclass(frozen=True, slots=True)
class Captured:
    """The result of a capture. `quiesced`: the file systems were consistent, because the machine was off or its guest
    agent froze them."""

    disks: tuple[CapturedDisk, ...]
    quiesced: bool


def identity(hosts: Hosts, region: str, name: str) -> str:
    """The identity of the machine, unlike that of another of the same name; empty if there is none. Raises:
    Unavailable."""
    with hosts.connection(region).asking(f"looking for the machine '{name}'") as handle:
        domain = domains.find(handle, name)
        return domains.machine_id(domain) if domain else ""


def facts(hosts: Hosts, region: str, name: str, generalized: bool) -> tuple[CapturedDisk, ...]:
    """The disks that a capture would take, the OS disk first; LUNs count up in the machine's order.

    Raises: SourceError, with the remedy, if the machine is missing, in the wrong state, or has disks that cannot be
    captured; Unavailable.
    """
    connection = hosts.connection(region)
    with connection.asking(f"looking at the machine '{name}'") as handle:
        domain = _wanted(handle, connection, name)
        domains.check_state(domain, generalized=generalized)
        return tuple(described for described, _ in _disks(domain))


def require_firmware(hosts: Hosts, region: str, name: str, generation: str) -> None:
    """Raises: SourceError if the machine's firmware is not that of machines of `generation` (V1 or V2), which then
    could not boot its disks."""
    connection = hosts.connection(region)
    with connection.asking(f"looking at the machine '{name}'") as handle:
        uefi = domains.has_uefi(_wanted(handle, connection, name).XMLDesc())
    if uefi is None or uefi == (generation == "V2"):
        return
    firmware, matching = ("UEFI", "V2") if uefi else ("a BIOS", "V1")
    raise SourceError(
        f"the machine '{name}' boots with {firmware}, but machines of its image would not: hyperVGeneration is "
        f"{generation}",
        f"declare hyperVGeneration: {matching}",
    )


def capture(
    hosts: Hosts,
    region: str,
    name: str,
    generalized: bool,
    targets: Mapping[str, str],
    pool: Pool,
    disk_format: str,
    progress: Advance,
    fence: int = 0,
) -> Captured:
    """Fills new volumes of `disk_format` in `pool`, which is on the machine's host: disk -> name, in `targets`. `fence`
    is that of the run.

    A capture that fails leaves nothing behind, unless this process dies: then `discard` cleans up. Raises: as facts;
    ObjectConflict if a name is taken.
    """
    connection = hosts.connection(region)
    with connection.asking(f"capturing the machine '{name}'") as handle:
        domain = _wanted(handle, connection, name)
        domains.check_state(domain, generalized=generalized)
        disks = _disks(domain)
        _check_names(disks, targets, pool, name)
        try:
            quiesced = _copy(handle, domain, disks, targets, pool, disk_format, progress, fence)
        except BaseException:
            _remove(targets, pool, fence)
            raise
    return Captured(tuple(about for about, _ in disks), quiesced)


def discard(hosts: Hosts, region: str, name: str, targets: Collection[str], pool: Pool, fence: int = 0) -> None:
    """Stops a capture whose process died, of the run with this fence, and removes what it left, except for the
    `targets`, which the caller removes. A machine that was left frozen is thawed."""
    with hosts.connection(region).asking(f"cleaning up after a capture of the machine '{name}'") as handle:
        domain = domains.find(handle, name)
        volumes = pool.volumes(refresh=True)
        left = [name for target in targets for name in (target, _scratch(target, fence)) if name in volumes]
        if domain is not None and domain.isActive() and left:
            pool.require_lease()
            online_copy.abandon(domain, {volumes[name].path for name in left})
            if online_copy.agent_answers(domain):
                online_copy.thaw(domain)
    for target in targets:
        pool.delete(_scratch(target, fence))


def _copy(
    handle: libvirt.virConnect,
    domain: libvirt.virDomain,
    disks: Disks,
    targets: Mapping[str, str],
    pool: Pool,
    disk_format: str,
    progress: Advance,
    fence: int,
) -> bool:
    if domains.is_off(domain):
        offline_copy.copy(
            handle, domain, [(disk, targets[about.disk]) for about, disk in disks], pool, disk_format, progress
        )
        return True
    return _copy_running(handle, domain, disks, targets, pool, disk_format, progress, fence)


def _wanted(handle: libvirt.virConnect, connection: Connection, name: str) -> libvirt.virDomain:
    domain = domains.find(handle, name)
    if domain is None:
        raise SourceError(
            f"{connection.name} has no machine '{name}'",
            f"list its machines: {virsh('list', '--all', uri=connection.uri)}",
        )
    return domain


def _disks(domain: libvirt.virDomain) -> Disks:
    name = domain.name()
    disks = domains.disks_of(domain.XMLDesc())
    if not disks:
        raise SourceError(f"the machine '{name}' has no disk", "give it a disk, or name another machine")
    unsupported = [f"{disk.target} {disk.unsupported}" for disk in disks if disk.unsupported]
    if unsupported:
        raise SourceError(
            f"the machine '{name}' has disks that cannot be captured: {'; '.join(unsupported)}",
            f"detach them ({virsh('detach-disk', name, 'DEVICE', '--persistent')}), or copy them yourself and name the "
            "copies as sources",
        )
    return tuple((_described(domain, number, disk), disk) for number, disk in enumerate(disks))


def _described(domain: libvirt.virDomain, number: int, disk: DomainDisk) -> CapturedDisk:
    capacity, allocation = disk_sizes(domain, disk.target)
    return CapturedDisk(
        disk=OS_DISK if number == 0 else f"data-{number - 1}",
        device=disk.target,
        virtual_size=capacity,
        allocated=min(allocation, capacity),
        caching=disk.caching,
        identity=domains.machine_id(domain),
    )


def _check_names(disks: Disks, targets: Mapping[str, str], pool: Pool, name: str) -> None:
    wanted = [about.disk for about, _ in disks]
    if sorted(wanted) != sorted(targets):
        raise SourceError(
            f"the machine '{name}' now has the disks {', '.join(wanted)}; when this was planned it had "
            f"{', '.join(sorted(targets))}",
            "plan again",
        )
    present = pool.volumes(refresh=True)
    taken = [volume for volume in targets.values() if volume in present]
    if taken:
        raise ObjectConflict(f"the pool already has volumes with the names {', '.join(taken)}", "remove or rename them")


def _copy_running(
    handle: libvirt.virConnect,
    domain: libvirt.virDomain,
    disks: Disks,
    targets: Mapping[str, str],
    pool: Pool,
    disk_format: str,
    progress: Advance,
    fence: int,
) -> bool:
    """A backup into a raw file has no holes, because QEMU writes the zeros, so raw copies are converted from qcow2."""
    names = {disk: target if disk_format == "qcow2" else _scratch(target, fence) for disk, target in targets.items()}
    try:
        for about, _ in disks:
            pool.create(names[about.disk], about.virtual_size, "qcow2")
        volumes = pool.volumes()
        job = {about.device: Target(volumes[names[about.disk]].path, "qcow2") for about, _ in disks}
        quiesced = online_copy.back_up(domain, job, progress, pool.require_lease)
        for disk, scratch in names.items():
            if scratch != targets[disk]:
                offline_copy.convert(handle, pool, scratch, targets[disk], disk_format)
    finally:
        for disk, scratch in names.items():
            if scratch != targets[disk]:
                pool.delete(scratch)
    pool.volumes(refresh=True)
    return quiesced


def _scratch(target: str, fence: int) -> str:
    return f"{_SCRATCH}{fence}~{target}" if fence else f"{_SCRATCH}{target}"


def _remove(targets: Mapping[str, str], pool: Pool, fence: int) -> None:
    for target in targets.values():
        pool.delete(_scratch(target, fence))
        pool.delete(target)
