"""A machine as a source: its OS disk and all its data disks, as they are at one moment, each with its host caching.

A machine that is off is copied by its host from volume to volume; one that runs, through a backup job. Either way
the copies stand on their own: overlays are resolved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.providers.errors import ObjectConflict, SourceError
from reconciler.providers.image_files.image_sources import OS_DISK
from reconciler.providers.libvirt.capture import offline_copy, online_copy
from reconciler.providers.libvirt.capture.online_copy import Target
from reconciler.providers.libvirt.host import domains
from reconciler.providers.libvirt.host.bindings import disk_sizes
from reconciler.providers.libvirt.host.domains import DomainDisk

if TYPE_CHECKING:
    import libvirt

    from reconciler.providers.libvirt.host.connections import Connection
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool

Advance = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""

_SCRATCH = ".reconciler~capture~"


@dataclass(frozen=True, slots=True)
class CapturedDisk:
    """One disk of a machine: `os` or `data-LUN`, its device in the machine, its sizes in bytes, its host caching.

    `identity` is the machine's: what was published from it stays what it was, however the machine goes on.
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
    """What a capture came to. `at_rest`: its file systems were, because it was off or its agent saw to it."""

    disks: tuple[CapturedDisk, ...]
    at_rest: bool


def identity(hosts: Hosts, region: str, name: str) -> str:
    """What tells this machine from another of its name; empty when there is none. Raises: Unavailable."""
    with hosts.connection(region).asking(f"looking for the machine '{name}'") as handle:
        domain = domains.find(handle, name)
        return domains.machine_id(domain) if domain else ""


def facts(hosts: Hosts, region: str, name: str, generalized: bool) -> tuple[CapturedDisk, ...]:
    """The disks that a capture would take, the OS disk first; LUNs count up in the machine's order.

    Raises: SourceError, with the remedy, when the machine is missing, in the wrong state, or has disks that cannot be
    captured; Unavailable.
    """
    connection = hosts.connection(region)
    with connection.asking(f"looking at the machine '{name}'") as handle:
        domain = _wanted(handle, connection, name)
        domains.check_state(domain, generalized=generalized)
        return tuple(described for described, _ in _disks(domain))


def require_firmware(hosts: Hosts, region: str, name: str, generation: str) -> None:
    """Raises: SourceError when the machine starts by other firmware than images of `generation` (V1 or V2) are started
    by: nothing would start from them."""
    connection = hosts.connection(region)
    with connection.asking(f"looking at the machine '{name}'") as handle:
        uefi = domains.starts_by_uefi(_wanted(handle, connection, name).XMLDesc())
    if uefi is None or uefi == (generation == "V2"):
        return
    has, right = ("UEFI", "V2") if uefi else ("a BIOS", "V1")
    raise SourceError(
        f"the machine '{name}' starts by {has}, and machines of its image would not: hyperVGeneration is {generation}",
        f"declare hyperVGeneration: {right}",
    )


def capture(
    hosts: Hosts,
    region: str,
    name: str,
    generalized: bool,
    targets: Mapping[str, str],
    pool: Pool,
    form: str,
    progress: Advance,
) -> Captured:
    """Fills new volumes of `form` in `pool`, which is on the machine's host: `targets` names one for each disk.

    Nothing is left of a capture that fails, except by the end of this process: then `discard` removes it.
    Raises: as facts; ObjectConflict when a name is taken.
    """
    connection = hosts.connection(region)
    with connection.asking(f"capturing the machine '{name}'") as handle:
        domain = _wanted(handle, connection, name)
        domains.check_state(domain, generalized=generalized)
        disks = _disks(domain)
        _check_names(disks, targets, pool, name)
        try:
            at_rest = _copy(handle, domain, disks, targets, pool, form, progress)
        except BaseException:
            _remove(targets, pool)
            raise
    return Captured(tuple(about for about, _ in disks), at_rest)


def discard(hosts: Hosts, region: str, name: str, targets: Collection[str], pool: Pool) -> None:
    """Ends what goes on of a capture whose process ended, and removes what is left of it beside the `targets`, volumes
    that are its caller's to remove. A machine that was left frozen goes on."""
    with hosts.connection(region).asking(f"clearing up after a capture of the machine '{name}'") as handle:
        domain = domains.find(handle, name)
        left = pool.volumes(refresh=True)
        found = [one for target in targets for one in (target, _scratch(target)) if one in left]
        if domain is not None and domain.isActive() and found:
            online_copy.abandon(domain, {left[one].path for one in found})
            if online_copy.agent_answers(domain):
                online_copy.thaw(domain)
    for target in targets:
        pool.delete(_scratch(target))


def _copy(
    handle: libvirt.virConnect,
    domain: libvirt.virDomain,
    disks: Disks,
    targets: Mapping[str, str],
    pool: Pool,
    form: str,
    progress: Advance,
) -> bool:
    if domains.is_off(domain):
        offline_copy.copy(handle, domain, [(disk, targets[about.disk]) for about, disk in disks], pool, form, progress)
        return True
    return _copy_running(handle, domain, disks, targets, pool, form, progress)


def _wanted(handle: libvirt.virConnect, connection: Connection, name: str) -> libvirt.virDomain:
    domain = domains.find(handle, name)
    if domain is None:
        raise SourceError(
            f"{connection.name} has no machine '{name}'", f"see which it has: virsh -c '{connection.uri}' list --all"
        )
    return domain


def _disks(domain: libvirt.virDomain) -> Disks:
    name = domain.name()
    found = domains.disks_of(domain.XMLDesc())
    if not found:
        raise SourceError(f"the machine '{name}' has no disk", "give it one, or name another machine")
    faults = [f"{disk.target} {disk.fault}" for disk in found if disk.fault]
    if faults:
        raise SourceError(
            f"the machine '{name}' has disks that cannot be captured: {'; '.join(faults)}",
            f"detach them (virsh detach-disk {name} DEVICE --persistent), or copy them yourself and name the copies",
        )
    return tuple((_described(domain, number, disk), disk) for number, disk in enumerate(found))


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
            f"the machine '{name}' has the disks {', '.join(wanted)} now, and had {', '.join(sorted(targets))} when "
            "this was planned",
            "plan again",
        )
    present = pool.volumes(refresh=True)
    taken = [volume for volume in targets.values() if volume in present]
    if taken:
        raise ObjectConflict(f"the pool has volumes already of the names {', '.join(taken)}", "remove or rename them")


def _copy_running(
    handle: libvirt.virConnect,
    domain: libvirt.virDomain,
    disks: Disks,
    targets: Mapping[str, str],
    pool: Pool,
    form: str,
    progress: Advance,
) -> bool:
    """A backup into a raw file leaves no holes (QEMU writes the zeros), so that goes by way of qcow2."""
    names = {disk: target if form == "qcow2" else _scratch(target) for disk, target in targets.items()}
    try:
        for about, _ in disks:
            pool.create(names[about.disk], about.virtual_size, "qcow2")
        made = pool.volumes()
        job = {about.device: Target(made[names[about.disk]].path, "qcow2") for about, _ in disks}
        at_rest = online_copy.back_up(domain, job, progress)
        for disk, scratch in names.items():
            if scratch != targets[disk]:
                offline_copy.convert(handle, pool, scratch, targets[disk], form)
    finally:
        for disk, scratch in names.items():
            if scratch != targets[disk]:
                pool.delete(scratch)
    pool.volumes(refresh=True)
    return at_rest


def _scratch(target: str) -> str:
    return f"{_SCRATCH}{target}"


def _remove(targets: Mapping[str, str], pool: Pool) -> None:
    for target in targets.values():
        pool.delete(_scratch(target))
        pool.delete(target)
