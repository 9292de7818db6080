"""What `latest` of a definition is at its provider, whoever published it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.latest import latest_by_region, usable_objects
from reconciler.manifests.address import Address
from reconciler.manifests.manifest import Manifest
from reconciler.naming.object_names import ObjectNames, within
from reconciler.ownership import owner_of
from reconciler.planning.refresh import World
from reconciler.providers.protocol import Observed
from reconciler.state.records import State


@dataclass(frozen=True, slots=True)
class LiveLatest:
    """Region -> the version that machines get as `latest` there now. `foreign` are the regions where somebody else
    published it; `unreachable` (address, why) is what could not be asked: another version may be latest there."""

    versions: Mapping[str, str]
    foreign: frozenset[str] = frozenset()
    unreachable: tuple[tuple[Address, str], ...] = ()


def only(definition: Address, state: State, manifest: Manifest) -> tuple[State, Manifest]:
    """The state and the manifests without anything outside of `definition`."""
    records = {address: record for address, record in state.records.items() if within(address, definition)}
    intents = {address: intent for address, intent in state.intents.items() if within(address, definition)}
    resources = {address: resource for address, resource in manifest.resources.items() if within(address, definition)}
    return replace(state, records=records, intents=intents), replace(manifest, resources=resources)


def live_latest(definition: Address, state: State, world: World) -> LiveLatest:
    """For a world that was observed with its unmanaged objects."""
    names, owner = ObjectNames.of(state), owner_of(state)
    inside = names.name(definition)
    seen = {each.address: each for each in _objects(inside, world)}
    usable = dict(usable_objects(seen.values())) | {
        name: bool(record.attributes.get("excludeFromLatest"))
        for address, record in state.records.items()
        if address.region and (name := names.name(address)) in world.matching and within(name, inside)
    }
    latest = {region: number for (_, region), number in latest_by_region(usable.items()).items()}
    foreign = {
        region
        for region, number in latest.items()
        if (name := inside._replace(version=number, region=region)) in seen and not owner.owns(seen[name].mark, name)
    }
    asked = {names.name(address): address for address in (*state.records, *state.intents, definition)}
    unreachable = {address: why for name, address in asked.items() if (why := world.why_unknown(name))}
    return LiveLatest(dict(sorted(latest.items())), frozenset(foreign), tuple(sorted(unreachable.items())))


def _objects(definition: Address, world: World) -> Iterator[Observed]:
    for seen in (*world.observed.values(), *world.unmanaged):
        if seen.address.region and within(seen.address, definition):
            yield seen
