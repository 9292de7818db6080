"""Makes machines from published copies, and removes them: the disks are overlays, so that a copy stays what it is.

A machine is known to its host, with its mark, before anything is made for it, and until everything is gone. What is
made lies beside the copies, named `machine~NAME~...`; no image and no machine has a name like that.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from reconciler.manifests.address import Address
from reconciler.providers.errors import ObjectConflict, ProviderError, Unsupported
from reconciler.providers.libvirt.capture.machine_removal import undefine
from reconciler.providers.libvirt.host import domains
from reconciler.providers.libvirt.host.accelerators import can_accelerate, capacity_of, require_tpm
from reconciler.providers.libvirt.host.library import require_disc_maker
from reconciler.providers.libvirt.machines.cloud_init_seed import Seed, disc
from reconciler.providers.libvirt.machines.domain_xml import Guest, Nature, mark_of
from reconciler.providers.libvirt.records.description_store import Shelf
from reconciler.providers.libvirt.records.descriptions import Copy
from reconciler.providers.protocol import Machine, MachineOrder, OwnerMark

if TYPE_CHECKING:
    import libvirt

    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool

CopiesOf = Callable[[Address], Sequence[Copy]]
"""The copies that a target region has."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_OS_DISK = "os"
_LATEST_OUTPUT = 4 << 20


class Below(NamedTuple):
    """What an overlay lies on: a copy, as it was recorded, whatever it may look like to its pool."""

    path: str
    format: str
    capacity: int


def copies_in(hosts: Hosts, image: Address) -> Sequence[Copy]:
    """The copies that the description of a target region names; none where there is no description."""
    found = Shelf(hosts.pool(image.region)).description(image)
    return found.description.replicas if found else ()


class MachineRoom:
    """The machines of all regions."""

    def __init__(self, hosts: Hosts, copies_of: CopiesOf) -> None:
        self._hosts = hosts
        self._copies_of = copies_of

    def create(self, order: MachineOrder) -> Machine:
        """As `Machines.create_machine`."""
        if not _NAME.fullmatch(order.name):
            raise Unsupported(
                f"'{order.name}' is not a name for a machine", "letters, digits, '.', '_' and '-', up to 63"
            )
        identity = str(uuid4())
        seed = _seed(order, identity)
        region = order.image.region
        pool = self._hosts.pool(region)
        with pool.connection.asking(f"making the machine '{order.name}'") as handle:
            if domains.find(handle, order.name) is not None:
                raise ObjectConflict(f"{pool.connection.name} has a machine '{order.name}' already", "choose another")
            _require_free(pool, order.name)
            _check_capacity(handle, order, pool.connection.name)
            copies = dict(self._chosen(order, pool))
            nature = Nature.of(order.definition)
            accelerated = can_accelerate(handle, nature.architecture)
            if nature.secure:
                require_tpm(handle, nature.architecture, nature.board, pool.connection.name)
            guest = _guest(order, identity, nature, copies, with_seed=seed is not None)
            domain = handle.defineXML(guest.description(accelerated=accelerated))
            try:
                _make_disks(pool, order.name, copies, seed)
                notes = _start(handle, domain, guest, accelerated=accelerated)
            except BaseException:
                _remove(domain, pool, order.name)
                raise
            return replace(self._told(handle.lookupByName(order.name), region, guest.mark), notes=notes)

    def delete(self, name: str, region: str, lineage: str) -> bool:
        """As `Machines.delete_machine`."""
        pool = self._hosts.pool(region)
        with pool.connection.asking(f"removing the machine '{name}'") as handle:
            domain = self._ours(handle, name, region, lineage)
            if domain is None:
                return False
            _remove(domain, pool, name)
            return True

    def all(self, region: str) -> Sequence[Machine]:
        """As `Machines.machines`."""
        with self._hosts.connection(region).asking("listing machines") as handle:
            found = [(domain, *mark_of(domain.XMLDesc())) for domain in handle.listAllDomains(0)]
            told = [self._told(domain, region, mark) for domain, mark, there in found if mark and there == region]
        return sorted(told, key=lambda machine: machine.name)

    def output(self, name: str, region: str, lineage: str) -> bytes:
        """As `Machines.machine_output`."""
        pool = self._hosts.pool(region)
        with pool.connection.asking(f"looking at the machine '{name}'") as handle:
            if self._ours(handle, name, region, lineage) is None:
                raise ProviderError(f"region {region} has no machine '{name}'", "see: reconciler vm list")
        pool.refresh()
        return pool.read(_console(name), _LATEST_OUTPUT) or b""

    def _ours(self, handle: libvirt.virConnect, name: str, region: str, lineage: str) -> libvirt.virDomain | None:
        """The machine that this state made in a region; None when there is none. Raises: ObjectConflict."""
        domain = domains.find(handle, name)
        if domain is None:
            return None
        mark, there = mark_of(domain.XMLDesc())
        if mark is None:
            raise ObjectConflict(
                f"the machine '{name}' was not made by this tool", "remove it yourself: virsh undefine"
            )
        if there != region:
            raise ObjectConflict(f"the machine '{name}' is in region {there}", f"say so: --region {there}")
        if mark.lineage != lineage:
            raise ObjectConflict(
                f"the machine '{name}' was made by another project or environment", "remove it from there"
            )
        return domain

    def _chosen(self, order: MachineOrder, pool: Pool) -> Iterator[tuple[str, Below]]:
        """One copy of each disk, the OS disk first: machines of different names spread over the replicas."""
        found = self._copies_of(order.image)
        for disk in sorted({copy.disk for copy in found}, key=_disk_order):
            copies = sorted((copy for copy in found if copy.disk == disk), key=lambda copy: copy.replica)
            copy = copies[zlib.crc32(order.name.encode()) % len(copies)]
            volume = pool.volume(copy.volume)
            if volume is None:
                raise ProviderError(f"the volume '{copy.volume}' of {order.image} is gone", "repair it: apply")
            yield disk, Below(volume.path, copy.format, copy.capacity)
        if _OS_DISK not in {copy.disk for copy in found}:
            raise ProviderError(f"{order.image} has no complete copy", "see: reconciler drift")

    def _told(self, domain: libvirt.virDomain, region: str, mark: OwnerMark) -> Machine:
        connection = self._hosts.connection(region)
        return Machine(
            name=domain.name(),
            mark=mark,
            state=domains.state_word(domain),
            host=connection.name,
            console=f"virsh -c '{connection.uri}' console {domain.name()}",
        )


def _disk_order(disk: str) -> tuple[int, int]:
    return (0, 0) if disk == _OS_DISK else (1, int(disk.removeprefix("data-")))


def _seed(order: MachineOrder, identity: str) -> Seed | None:
    """What tells the machine who it is; a specialized image knows. Raises: Unsupported.

    `identity` is no other machine's, of the same name neither: an image may have been captured from that one.
    """
    told = [name for name in ("user", "ssh_keys", "host_name") if getattr(order, name)]
    if order.definition.get("osState") != "Specialized":
        require_disc_maker()
        return Seed(identity, order.host_name or order.name, order.user, order.ssh_keys)
    if told:
        raise Unsupported(
            f"{order.image.unit.parent} is specialized: its machines have the users and the name that it was made with",
            "leave out --user, --ssh-key and --hostname",
        )
    return None


def _require_free(pool: Pool, name: str) -> None:
    """Raises: ObjectConflict when volumes are there that would be taken for the machine's, and removed with it."""
    taken = [volume for volume in pool.volumes(refresh=True) if volume.startswith(_prefix(name))]
    if taken:
        raise ObjectConflict(
            f"{pool} has volumes already that a machine '{name}' would have: {', '.join(sorted(taken))}",
            "choose another name, or remove them if nobody needs them",
        )


def _check_capacity(handle: libvirt.virConnect, order: MachineOrder, host: str) -> None:
    cpus, memory_mib = capacity_of(handle)
    if order.cpus > cpus:
        raise Unsupported(
            f"{host} gives a machine {cpus} processors at most, not {order.cpus}", "ask for fewer: --cpus"
        )
    if order.memory_mib > memory_mib:
        raise Unsupported(f"{host} has {memory_mib} MiB of memory, not {order.memory_mib}", "ask for less: --memory")


def _guest(
    order: MachineOrder, identity: str, nature: Nature, copies: Mapping[str, Below], *, with_seed: bool
) -> Guest:
    folder = copies[_OS_DISK].path.rpartition("/")[0]
    return Guest(
        name=order.name,
        uuid=identity,
        mark=OwnerMark(order.lineage, order.image),
        nature=nature,
        cpus=order.cpus,
        memory_mib=order.memory_mib,
        disks=[(f"{folder}/{_overlay(order.name, disk)}", _caching(order, disk)) for disk in copies],
        seed=f"{folder}/{_seed_name(order.name)}" if with_seed else "",
        console=f"{folder}/{_console(order.name)}",
        variables=f"{folder}/{_variables(order.name)}",
        network=order.network,
    )


def _caching(order: MachineOrder, disk: str) -> str:
    """The host caching that the version declares for a disk, else that of the machine it was captured from; empty where
    there is neither."""
    data_disks = order.version.get("dataDisks", {})
    declared = order.version if disk == _OS_DISK else data_disks.get(disk.removeprefix("data-"), {})
    captured = order.computed.get("disks", {}).get(disk, {})
    return str(declared.get("hostCaching") or captured.get("hostCaching") or "")


def _make_disks(pool: Pool, name: str, copies: Mapping[str, Below], seed: Seed | None) -> None:
    for disk, copy in copies.items():
        pool.create(_overlay(name, disk), copy.capacity, "qcow2", copy.path, copy.format)
    if seed is not None:
        pool.write(_seed_name(name), disc(seed))


def _start(
    handle: libvirt.virConnect, domain: libvirt.virDomain, guest: Guest, *, accelerated: bool
) -> tuple[str, ...]:
    """Starts a machine: where the processor's support is offered and fails, without. Returns what to say about it."""
    import libvirt

    if not accelerated:
        domain.create()
        return ("the host has no working KVM: the machine is emulated, which is slow",)
    try:
        domain.create()
    except libvirt.libvirtError as error:
        handle.defineXML(guest.description(accelerated=False)).create()
        return (f"KVM did not work there ({error}): the machine is emulated, which is slow",)
    return ()


def _remove(domain: libvirt.virDomain, pool: Pool, name: str) -> None:
    """Ends a machine and removes what was made for it; it is known until the last of that is gone."""
    _end(domain)
    for volume in pool.volumes(refresh=True):
        if volume.startswith(_prefix(name)):
            pool.delete(volume)
    undefine(domain)


def _end(domain: libvirt.virDomain) -> None:
    """Cuts its power; one that went off by itself is fine."""
    import libvirt

    try:
        if domain.isActive():
            domain.destroy()
    except libvirt.libvirtError:
        if domain.isActive():
            raise


def _prefix(name: str) -> str:
    return f"machine~{name}~"


def _overlay(name: str, disk: str) -> str:
    return f"{_prefix(name)}{disk}.qcow2"


def _seed_name(name: str) -> str:
    return f"{_prefix(name)}seed.iso"


def _variables(name: str) -> str:
    return f"{_prefix(name)}variables.fd"


def _console(name: str) -> str:
    return f"{_prefix(name)}console.log"
