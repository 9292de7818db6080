"""Machines to try images on: which version, whether its machine may be made, and the backend that makes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.engine import Engine
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.values import Attributes
from reconciler.providers.errors import ProviderError, Unsupported
from reconciler.providers.protocol import Condition, Machine, MachineOrder, Machines, Provider
from reconciler.state.records import Record, State, Status

LATEST = "latest"
_MIB_PER_GIB = 1024
_CPUS, _MEMORY_GIB = 1, 2.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked for. `image` names a version, or `latest` for one; None where the image may say."""

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
class Found:
    """The machines there are, by region and name, and why some regions could not be asked."""

    machines: tuple[Machine, ...] = ()
    unreachable: Mapping[str, str] = field(default_factory=dict)


def create(engine: Engine, wish: Wish) -> Machine:
    """Makes a machine from a version that is ready in a region, under the lease of its gallery: an apply that runs may
    be about to take the version away. Notes on the machine say what is not as the image recommends.

    Raises: ReconcilerError, LockHeld, ProviderError.
    """
    with engine.lease(frozenset({wish.image.gallery})):
        state = engine.state()
        record = _usable(state, _chosen(engine, wish))
        provider = engine.providers[record.provider]
        room = _room(record.provider, provider)
        image = record.named or record.address
        _check_ready(provider, image)
        definition = _attributes(state, record.address.unit.parent)
        cpus, memory_gib = _size(definition, wish)
        machine = room.create_machine(
            MachineOrder(
                name=wish.name,
                image=image,
                lineage=state.lineage,
                definition=definition,
                version=_attributes(state, record.address.unit),
                computed=state.records[record.address.unit].computed_values,
                cpus=cpus,
                memory_mib=round(memory_gib * _MIB_PER_GIB),
                user=wish.user,
                ssh_keys=wish.ssh_keys,
                host_name=wish.host_name,
                network=wish.network,
            )
        )
    return replace(machine, notes=(*warnings(definition, cpus, memory_gib), *machine.notes))


def delete(engine: Engine, name: str, region: str) -> None:
    """Removes a machine that this state made. Raises: ReconcilerError when there is none; ProviderError."""
    lineage = engine.store.summary().lineage
    if not any(room.delete_machine(name, region, lineage) for room in _rooms_in(engine, region)):
        raise ReconcilerError(f"region {region} has no machine '{name}'", "see: reconciler vm list")


def output(engine: Engine, name: str, region: str) -> bytes:
    """What a machine said on its serial console. Raises: ReconcilerError when there is no such machine."""
    lineage = engine.store.summary().lineage
    return _rooms_in(engine, region)[0].machine_output(name, region, lineage)


def find(engine: Engine) -> Found:
    """The machines that this state made, in all regions of all backends that run machines."""
    lineage = engine.store.summary().lineage
    machines: list[Machine] = []
    unreachable: dict[str, str] = {}
    for room, regions in _rooms(engine):
        for region in sorted(regions):
            try:
                machines += (one for one in room.machines(region) if one.mark.lineage == lineage)
            except ProviderError as error:
                unreachable[region] = error.message
    return Found(tuple(machines), unreachable)


def warnings(definition: Attributes, cpus: int, memory_gib: float) -> tuple[str, ...]:
    """Where a machine's size is not what its image's definition recommends; it is made all the same."""
    recommended = definition.get("recommended") or {}
    return tuple(
        f"{size:g} {what}: the image recommends {_range_text(limits)}"
        for what, size, limits in (
            ("processors", cpus, recommended.get("vCPUs", {})),
            ("GiB of memory", memory_gib, recommended.get("memory", {})),
        )
        if _clamped(size, limits) != size
    )


def _size(definition: Attributes, wish: Wish) -> tuple[int, float]:
    """Processors and GiB: what was asked for, else the least that is recommended and does."""
    recommended = definition.get("recommended") or {}
    cpus = wish.cpus or int(_clamped(_CPUS, recommended.get("vCPUs", {})))
    return cpus, wish.memory_gib or _clamped(_MEMORY_GIB, recommended.get("memory", {}))


def _clamped(size: float, limits: Mapping[str, Any]) -> float:
    """The nearest that is within the limits, either of which may be absent."""
    at_least = max(size, float(limits.get("min", size)))
    return min(at_least, float(limits.get("max", at_least)))


def _range_text(limits: Mapping[str, Any]) -> str:
    least, most = limits.get("min"), limits.get("max")
    if least is None or most is None:
        return f"at least {least}" if most is None else f"at most {most}"
    return f"{least} to {most}" if least != most else str(least)


def _chosen(engine: Engine, wish: Wish) -> Address:
    """The target region's address that an image means; `latest` is what it was last applied to be, there."""
    if wish.image.version != LATEST:
        return wish.image._replace(region=wish.region)
    definition = wish.image._replace(version="")
    versions = engine.latest(definition)
    if wish.region not in versions:
        places = f"it has one in: {', '.join(sorted(versions))}" if versions else "see: reconciler show"
        raise ReconcilerError(f"{definition} has no version that is latest in {wish.region}", places)
    return definition._replace(version=versions[wish.region], region=wish.region)


def _usable(state: State, address: Address) -> Record:
    record = state.records.get(address)
    if address in state.intents or address.unit in state.intents:
        raise ReconcilerError(f"{address} has unfinished operations", "finish them first: reconciler apply")
    if record is None:
        regions = sorted(at.region for at in state.records if at.region and at.unit == address.unit)
        places = f"it is in: {', '.join(regions)}" if regions else "see what there is: reconciler show"
        raise ReconcilerError(f"{address.unit} is not in region {address.region}", places)
    if record.status is Status.TAINTED:
        raise ReconcilerError(f"{address} is tainted: it is to be replaced", "run first: reconciler apply")
    return record


def _check_ready(provider: Provider, image: Address) -> None:
    observed = provider.read(image)
    if observed is None:
        raise ReconcilerError(f"{image} is gone", "make it again: reconciler apply")
    if observed.condition is not Condition.READY:
        defects = "; ".join(observed.defects) or observed.condition.value
        raise ReconcilerError(f"{image} is not ready: {defects}", "repair it: reconciler apply")


def _attributes(state: State, address: Address | None) -> Attributes:
    record = state.records.get(address) if address else None
    return record.attributes if record else {}


def _room(name: str, provider: Provider) -> Machines:
    if not isinstance(provider, Machines):
        raise Unsupported(f"the provider '{name}' does not run machines", "a provider of type libvirt does")
    return provider


def _rooms(engine: Engine) -> Iterator[tuple[Machines, frozenset[str]]]:
    """The backends that run machines, with their regions."""
    for provider in engine.providers.values():
        if isinstance(provider, Machines):
            yield provider, provider.capabilities().regions or frozenset()


def _rooms_in(engine: Engine, region: str) -> Sequence[Machines]:
    """Those with a region of that name. Raises: Unsupported when there is none."""
    rooms = list(_rooms(engine))
    found = [room for room, regions in rooms if region in regions]
    if not found:
        regions = sorted(set().union(*(regions for _, regions in rooms)))
        raise Unsupported(
            f"no provider of this project runs machines in region '{region}'",
            f"machines can be in: {', '.join(regions)}" if regions else "a provider of type libvirt does",
        )
    return found
