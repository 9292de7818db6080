"""Creates machines from published copies, and removes them: their disks are overlays, so the copies never change.

Its host knows a machine, with its owner mark, before any of its files is created and until the last is gone. The files
are beside the copies and named `machine~NAME~...`, like no image and no machine.
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
from reconciler.providers.libvirt.host.commands import virsh
from reconciler.providers.libvirt.host.library import require_iso_writer
from reconciler.providers.libvirt.machines.cloud_init_seed import Seed, seed_iso
from reconciler.providers.libvirt.machines.domain_xml import DomainSpec, Hardware, mark_of
from reconciler.providers.libvirt.records.description_store import DescriptionStore
from reconciler.providers.libvirt.records.descriptions import Copy
from reconciler.providers.owner import Owner, OwnerMark
from reconciler.providers.protocol import Machine, MachineOrder

if TYPE_CHECKING:
    import libvirt

    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool

CopiesIn = Callable[[Address], Sequence[Copy]]
"""The copies in a target region."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_OS_DISK = "os"
_LATEST_OUTPUT = 4 << 20


class Backing(NamedTuple):
    """The copy behind an overlay; format and capacity as recorded, whatever its pool detects."""

    path: str
    format: str
    capacity: int


def copies_in(hosts: Hosts, image: Address) -> Sequence[Copy]:
    """The copies that the description of a target region names; none without a description."""
    stored = DescriptionStore(hosts.pool(image.region)).description(image)
    return stored.description.replicas if stored else ()


class TrialMachines:
    """The machines in all regions that were created from images."""

    def __init__(self, hosts: Hosts, copies_of: CopiesIn) -> None:
        self._hosts = hosts
        self._copies_of = copies_of

    def create(self, order: MachineOrder) -> Machine:
        """As `Machines.create_machine`."""
        if not _NAME.fullmatch(order.name):
            raise Unsupported(
                f"invalid machine name '{order.name}'", "use letters, digits, '.', '_' and '-', at most 63"
            )
        identity = str(uuid4())
        seed = _seed(order, identity)
        region = order.image.region
        pool = self._hosts.pool(region)
        with pool.connection.asking(f"creating the machine '{order.name}'") as handle:
            if domains.find(handle, order.name) is not None:
                raise ObjectConflict(
                    f"{pool.connection.name} already has a machine '{order.name}'", "choose another name"
                )
            _require_free(pool, order.name)
            _check_capacity(handle, order, pool.connection.name)
            copies = dict(self._chosen(order, pool))
            hardware = Hardware.of(order.definition)
            accelerated = can_accelerate(handle, hardware.architecture)
            if hardware.secure:
                require_tpm(handle, hardware.architecture, hardware.board, pool.connection.name)
            spec = _domain_spec(order, identity, hardware, copies, with_seed=seed is not None)
            domain = handle.defineXML(spec.xml(accelerated=accelerated))
            try:
                _make_disks(pool, order.name, copies, seed)
                notes = _start(handle, domain, spec, accelerated=accelerated)
            except BaseException:
                _remove(domain, pool, order.name)
                raise
            return replace(self._machine(handle.lookupByName(order.name), region, spec.mark), notes=notes)

    def delete(self, name: str, region: str, owner: Owner) -> bool:
        """As `Machines.delete_machine`."""
        pool = self._hosts.pool(region)
        with pool.connection.asking(f"removing the machine '{name}'") as handle:
            domain = self._ours(handle, name, region, owner)
            if domain is None:
                return False
            _remove(domain, pool, name)
            return True

    def all(self, region: str) -> Sequence[Machine]:
        """As `Machines.machines`."""
        with self._hosts.connection(region).asking("listing machines") as handle:
            marked = [(domain, *mark_of(domain.XMLDesc())) for domain in handle.listAllDomains(0)]
            machines = [self._machine(domain, region, mark) for domain, mark, home in marked if mark and home == region]
        return sorted(machines, key=lambda machine: machine.name)

    def output(self, name: str, region: str, owner: Owner) -> bytes:
        """As `Machines.machine_output`."""
        pool = self._hosts.pool(region)
        with pool.connection.asking(f"looking at the machine '{name}'") as handle:
            if self._ours(handle, name, region, owner) is None:
                raise ProviderError(f"region {region} has no machine '{name}'", "see: reconciler vm list")
        pool.refresh()
        return pool.read(_console(name), _LATEST_OUTPUT) or b""

    def _ours(self, handle: libvirt.virConnect, name: str, region: str, owner: Owner) -> libvirt.virDomain | None:
        """The machine that this state created in a region; None if there is none. Raises: ObjectConflict."""
        domain = domains.find(handle, name)
        if domain is None:
            return None
        mark, home = mark_of(domain.XMLDesc())
        if mark is None:
            raise ObjectConflict(
                f"the machine '{name}' was not created by reconciler", "remove it yourself: virsh undefine"
            )
        if home != region:
            raise ObjectConflict(f"the machine '{name}' is in region {home}", f"use: --region {home}")
        if mark.lineage != owner.lineage:
            raise ObjectConflict(
                f"the machine '{name}' was created by another project or environment", "delete it from there"
            )
        if not owner.owns(mark, mark.address):
            raise ObjectConflict(
                f"the machine '{name}' names this project, but its mark was not made with the key of this state",
                "if you know it, remove it yourself: virsh undefine",
            )
        return domain

    def _chosen(self, order: MachineOrder, pool: Pool) -> Iterator[tuple[str, Backing]]:
        """One copy of each disk, the OS disk first; the name of the machine selects the replica."""
        available = self._copies_of(order.image)
        for disk in sorted({copy.disk for copy in available}, key=_disk_order):
            copies = sorted((copy for copy in available if copy.disk == disk), key=lambda copy: copy.replica)
            copy = copies[zlib.crc32(order.name.encode()) % len(copies)]
            volume = pool.volume(copy.volume)
            if volume is None:
                raise ProviderError(f"the volume '{copy.volume}' of {order.image} is gone", "run: reconciler apply")
            yield disk, Backing(volume.path, copy.format, copy.capacity)
        if _OS_DISK not in {copy.disk for copy in available}:
            raise ProviderError(f"{order.image} has no complete copy", "run: reconciler drift")

    def _machine(self, domain: libvirt.virDomain, region: str, mark: OwnerMark) -> Machine:
        connection = self._hosts.connection(region)
        return Machine(
            name=domain.name(),
            mark=mark,
            state=domains.state_word(domain),
            host=connection.name,
            console=virsh("console", domain.name(), uri=connection.uri),
        )


def _disk_order(disk: str) -> tuple[int, int]:
    return (0, 0) if disk == _OS_DISK else (1, int(disk.removeprefix("data-")))


def _seed(order: MachineOrder, identity: str) -> Seed | None:
    """The seed for a generalized image; None for a specialized one, which needs none. Raises: Unsupported.

    `identity` is unique, even among machines of the same name: the image may have been captured from one of them.
    """
    given = [name for name in ("user", "ssh_keys", "host_name") if getattr(order, name)]
    if order.definition.get("osState") != "Specialized":
        require_iso_writer()
        return Seed(identity, order.host_name or order.name, order.user, order.ssh_keys)
    if given:
        raise Unsupported(
            f"{order.image.unit.parent} is specialized: its machines keep the users and the host name of the image",
            "omit --user, --ssh-key and --hostname",
        )
    return None


def _require_free(pool: Pool, name: str) -> None:
    """Raises: ObjectConflict if there are volumes with names of the machine's, which would be removed with it."""
    taken = [volume for volume in pool.volumes(refresh=True) if volume.startswith(_prefix(name))]
    if taken:
        raise ObjectConflict(
            f"{pool} already has volumes that a machine '{name}' would use: {', '.join(sorted(taken))}",
            "choose another name, or remove them if no one needs them",
        )


def _check_capacity(handle: libvirt.virConnect, order: MachineOrder, host: str) -> None:
    cpus, memory_mib = capacity_of(handle)
    if order.cpus > cpus:
        raise Unsupported(
            f"{host} gives a machine at most {cpus} processors, not {order.cpus}", "request fewer: --cpus"
        )
    if order.memory_mib > memory_mib:
        raise Unsupported(f"{host} has {memory_mib} MiB of memory, not {order.memory_mib}", "request less: --memory")


def _domain_spec(
    order: MachineOrder, identity: str, hardware: Hardware, copies: Mapping[str, Backing], *, with_seed: bool
) -> DomainSpec:
    folder = copies[_OS_DISK].path.rpartition("/")[0]
    return DomainSpec(
        name=order.name,
        uuid=identity,
        mark=order.owner.mark(order.image),
        hardware=hardware,
        cpus=order.cpus,
        memory_mib=order.memory_mib,
        disks=[(f"{folder}/{_overlay(order.name, disk)}", _caching(order, disk)) for disk in copies],
        seed=f"{folder}/{_seed_name(order.name)}" if with_seed else "",
        console=f"{folder}/{_console(order.name)}",
        variables=f"{folder}/{_variables(order.name)}",
        network=order.network,
    )


def _caching(order: MachineOrder, disk: str) -> str:
    """The host caching that the version declares for a disk, else that of the machine it was captured from; empty if
    there is neither."""
    data_disks = order.version.get("dataDisks", {})
    declared = order.version if disk == _OS_DISK else data_disks.get(disk.removeprefix("data-"), {})
    captured = order.computed.get("disks", {}).get(disk, {})
    return str(declared.get("hostCaching") or captured.get("hostCaching") or "")


def _make_disks(pool: Pool, name: str, copies: Mapping[str, Backing], seed: Seed | None) -> None:
    for disk, copy in copies.items():
        pool.create(_overlay(name, disk), copy.capacity, "qcow2", copy.path, copy.format)
    if seed is not None:
        pool.write(_seed_name(name), seed_iso(seed))


def _start(
    handle: libvirt.virConnect, domain: libvirt.virDomain, spec: DomainSpec, *, accelerated: bool
) -> tuple[str, ...]:
    """Starts a machine, without KVM if that is offered and fails. Returns notes for the user."""
    import libvirt

    if not accelerated:
        domain.create()
        return ("the host has no working KVM: the machine is emulated, which is slow",)
    try:
        domain.create()
    except libvirt.libvirtError as error:
        handle.defineXML(spec.xml(accelerated=False)).create()
        return (f"KVM failed on the host ({error}): the machine is emulated, which is slow",)
    return ()


def _remove(domain: libvirt.virDomain, pool: Pool, name: str) -> None:
    """Ends a machine and removes its files; its host knows it until the last of them is gone."""
    _end(domain)
    for volume in pool.volumes(refresh=True):
        if volume.startswith(_prefix(name)):
            pool.delete(volume)
    undefine(domain)


def _end(domain: libvirt.virDomain) -> None:
    """Powers it off; it is fine if it is already off."""
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
