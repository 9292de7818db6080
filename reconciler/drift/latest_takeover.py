"""Versions of somebody else that are `latest` in our definitions: machines are created from them without any notice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from reconciler.drift.report import Drift, DriftKind
from reconciler.latest import LatestChange, latest_by_region, usable_objects
from reconciler.manifests.address import Address, version_number
from reconciler.naming.object_names import ObjectNames
from reconciler.ownership import owner_of
from reconciler.planning.refresh import World
from reconciler.providers.protocol import Observed
from reconciler.state.records import State


def takeovers(state: State, world: World, names: ObjectNames) -> Iterator[Drift]:
    """A drift for each recorded definition in which a version that is not ours has the highest number in a region."""
    recorded = latest_by_region(
        (address, bool(record.attributes.get("excludeFromLatest")))
        for address, record in state.records.items()
        if address.region
    )
    strangers = {seen.address: seen for seen in foreign_objects(state, world, names)}
    moves: dict[Address, list[LatestChange]] = defaultdict(list)
    versions: dict[Address, set[str]] = defaultdict(set)
    theirs = latest_by_region((names.address(name), excluded) for name, excluded in usable_objects(strangers.values()))
    for (definition, region), number in sorted(theirs.items()):
        before = recorded.get((definition, region))
        if definition in state.records and (before is None or version_number(before) < version_number(number)):
            moves[definition].append(LatestChange(definition, region, before, number))
            name = names.name(definition)._replace(version=number, region=region)
            versions[definition].add(strangers[name].object_id)
    for definition, changes in moves.items():
        yield Drift(
            definition, DriftKind.LATEST, latest=tuple(changes), object_id=", ".join(sorted(versions[definition]))
        )


def foreign_objects(state: State, world: World, names: ObjectNames) -> Iterator[Observed]:
    """The objects in the world without our mark that belong to no version of ours."""
    owner = owner_of(state)
    recorded = {names.name(address) for address in state.records.keys() | state.intents.keys()}
    for seen in (*world.unmanaged, *world.observed.values()):
        if seen.address.unit not in recorded and not owner.owns(seen.mark, seen.address):
            yield seen
