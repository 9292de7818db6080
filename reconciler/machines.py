"""Machines to try images on: which version to use, whether it is ready, and which backend creates the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.engine import Engine
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.values import Attributes
from reconciler.ownership import owner_of
from reconciler.providers.errors import ProviderError, Unsupported
from reconciler.providers.protocol import Condition, Machine, MachineOrder, Machines, Provider
from reconciler.state.records import Record, State, Status

LATEST = "latest"
_MIB_PER_GIB = 1024
_CPUS, _MEMORY_GIB = 1, 2.0


@dataclass(frozen=True, slots=True)
class MachineRequest:
    """A machine as requested. The version of `image` may be `latest`; what is None is recommended by the image."""

    name: str
    image: Address
    region: str
    cpus: int | None = None
    memory_gib: float | None = None
    user: str = ""
    ssh_keys: tuple[str, ...] = ()
    host_name: str = ""
    network: str = ""


@dataclass(frozen=True, slots=True)
class FoundMachines:
    """The machines that exist, by region and name, and why some regions are unreachable."""

    machines: tuple[Machine, ...] = ()
    unreachable: Mapping[str, str] = field(default_factory=dict)


def create(engine: Engine, request: MachineRequest) -> Machine:
    """Creates a machine from a version that is ready in a region. Holds the lease of its gallery, as a running apply
    may be about to delete the version. Notes on the machine say where it differs from what the image recommends.

    Raises: ReconcilerError, LockHeld, ProviderError.
    """
    with engine.lease(frozenset({request.image.gallery})):
        state = engine.state()
        record = _usable(state, _chosen(engine, request))
        provider = engine.providers[record.provider]
        backend = _machines_of(record.provider, provider)
        image = record.named or record.address
        _check_ready(provider, image)
        definition = _attributes(state, record.address.unit.parent)
        cpus, memory_gib = _size(definition, request)
        machine = backend.create_machine(
            MachineOrder(
                name=request.name,
                image=image,
                owner=owner_of(state),
                definition=definition,
                version=_attributes(state, record.address.unit),
                computed=state.records[record.address.unit].computed_values,
                cpus=cpus,
                memory_mib=round(memory_gib * _MIB_PER_GIB),
                user=request.user,
                ssh_keys=request.ssh_keys,
                host_name=request.host_name,
                network=request.network,
            )
        )
    return replace(machine, notes=(*warnings(definition, cpus, memory_gib), *machine.notes))


def delete(engine: Engine, name: str, region: str) -> None:
    """Deletes a machine that this state created. Raises: ReconcilerError when there is none; ProviderError."""
    owner = owner_of(engine.state())
    if not any(backend.delete_machine(name, region, owner) for backend in _backends_in(engine, region)):
        raise ReconcilerError(f"region {region} has no machine '{name}'", "see: reconciler vm list")


def output(engine: Engine, name: str, region: str) -> bytes:
    """The output of a machine's serial console. Raises: ReconcilerError when there is no such machine."""
    owner = owner_of(engine.state())
    return _backends_in(engine, region)[0].machine_output(name, region, owner)


def find(engine: Engine) -> FoundMachines:
    """The machines that this state created, in all regions of all backends that run machines."""
    owner = owner_of(engine.state())
    machines: list[Machine] = []
    unreachable: dict[str, str] = {}
    for backend, regions in _backends(engine):
        for region in sorted(regions):
            try:
                machines += (
                    machine for machine in backend.machines(region) if owner.owns(machine.mark, machine.mark.address)
                )
            except ProviderError as error:
                unreachable[region] = error.message
    return FoundMachines(tuple(machines), unreachable)


def warnings(definition: Attributes, cpus: int, memory_gib: float) -> tuple[str, ...]:
    """Where a machine's size is not what its image's definition recommends; it is created anyway."""
    recommended = definition.get("recommended") or {}
    return tuple(
        f"{size:g} {what}: the image recommends {_range_text(limits)}"
        for what, size, limits in (
            ("processors", cpus, recommended.get("vCPUs", {})),
            ("GiB of memory", memory_gib, recommended.get("memory", {})),
        )
        if _clamped(size, limits) != size
    )


def _size(definition: Attributes, request: MachineRequest) -> tuple[int, float]:
    """Processors and GiB: as requested, else the smallest recommended size that is enough."""
    recommended = definition.get("recommended") or {}
    cpus = request.cpus or int(_clamped(_CPUS, recommended.get("vCPUs", {})))
    return cpus, request.memory_gib or _clamped(_MEMORY_GIB, recommended.get("memory", {}))


def _clamped(size: float, limits: Mapping[str, Any]) -> float:
    """The nearest size within the limits, either of which may be absent."""
    at_least = max(size, float(limits.get("min", size)))
    return min(at_least, float(limits.get("max", at_least)))


def _range_text(limits: Mapping[str, Any]) -> str:
    least, most = limits.get("min"), limits.get("max")
    if least is None or most is None:
        return f"at least {least}" if most is None else f"at most {most}"
    return f"{least} to {most}" if least != most else str(least)


def _chosen(engine: Engine, request: MachineRequest) -> Address:
    """The address of the requested version in the requested region; `latest` is the one recorded as usable there."""
    if request.image.version != LATEST:
        return request.image._replace(region=request.region)
    definition = request.image._replace(version="")
    versions = engine.latest(definition)
    if request.region not in versions:
        places = f"it has one in: {', '.join(sorted(versions))}" if versions else "see: reconciler show"
        raise ReconcilerError(f"{definition} has no version that is latest in {request.region}", places)
    return definition._replace(version=versions[request.region], region=request.region)


def _usable(state: State, address: Address) -> Record:
    record = state.records.get(address)
    if address in state.intents or address.unit in state.intents:
        raise ReconcilerError(f"{address} has unfinished operations", "finish them first: reconciler apply")
    if record is None:
        regions = sorted(at.region for at in state.records if at.region and at.unit == address.unit)
        places = f"it is in: {', '.join(regions)}" if regions else "see: reconciler show"
        raise ReconcilerError(f"{address.unit} is not in region {address.region}", places)
    if record.status is Status.TAINTED:
        raise ReconcilerError(f"{address} is tainted and will be replaced", "run first: reconciler apply")
    return record


def _check_ready(provider: Provider, image: Address) -> None:
    observed = provider.read(image)
    if observed is None:
        raise ReconcilerError(f"{image} is gone", "to create it again: reconciler apply")
    if observed.condition is not Condition.READY:
        defects = "; ".join(observed.defects) or observed.condition.value
        raise ReconcilerError(f"{image} is not ready: {defects}", "to repair it: reconciler apply")


def _attributes(state: State, address: Address | None) -> Attributes:
    record = state.records.get(address) if address else None
    return record.attributes if record else {}


def _machines_of(name: str, provider: Provider) -> Machines:
    if not isinstance(provider, Machines):
        raise Unsupported(f"provider '{name}' does not run machines", "use a provider of type libvirt")
    return provider


def _backends(engine: Engine) -> Iterator[tuple[Machines, frozenset[str]]]:
    """The backends that run machines, with their regions."""
    for provider in engine.providers.values():
        if isinstance(provider, Machines):
            yield provider, provider.capabilities().regions or frozenset()


def _backends_in(engine: Engine, region: str) -> Sequence[Machines]:
    """The backends with this region. Raises: Unsupported when there is none."""
    backends = list(_backends(engine))
    matching = [backend for backend, regions in backends if region in regions]
    if not matching:
        regions = sorted(set().union(*(regions for _, regions in backends)))
        raise Unsupported(
            f"no provider of this project runs machines in region '{region}'",
            f"machines can be in: {', '.join(regions)}" if regions else "use a provider of type libvirt",
        )
    return matching
