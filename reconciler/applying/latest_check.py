"""Whether `latest` became what the plan promised: its lines are conditions that hold after apply."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from reconciler.latest import latest_by_region
from reconciler.manifests.address import Address
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan
from reconciler.providers.protocol import Verb
from reconciler.state.records import Record, State

DefinitionRegion = tuple[Address, str]


@dataclass(frozen=True, slots=True)
class LatestMissed:
    """`latest` of `definition` in `region`, as planned and as it is now; None where no version is latest."""

    definition: Address
    region: str
    planned: str | None
    found: str | None


def latest_missed(
    plan: Plan, before: Mapping[Address, Record], after: State, left: Collection[Address] = ()
) -> tuple[LatestMissed, ...]:
    """Where `latest` is not what it was to be, in the definitions that the plan changed, sorted by definition and
    region. `before` are the records before the run. Definitions with operations that continue (`left`) are left out:
    nothing is decided there yet."""
    undecided = {unit[:2] for unit in left}
    definitions = {change.address[:2] for change in plan.changes if change.address.region} - undecided
    if not definitions:
        return ()
    planned = dict(latest_by_region(_recorded(before, definitions)))
    planned |= {(line.definition, line.region): line.after for line in plan.latest if line.after is not None}
    for line in plan.latest:
        if line.after is None:
            planned.pop((line.definition, line.region), None)
    found = latest_by_region([*_usable(after, definitions), *_kept(plan)])
    return tuple(
        LatestMissed(definition, region, planned.get((definition, region)), found.get((definition, region)))
        for definition, region in sorted(planned.keys() | found.keys())
        if definition[:2] in definitions and planned.get((definition, region)) != found.get((definition, region))
    )


def _recorded(
    records: Mapping[Address, Record], definitions: Collection[tuple[str, ...]]
) -> Iterator[tuple[Address, bool]]:
    for address, record in records.items():
        if address.region and address[:2] in definitions:
            yield address, bool(record.attributes.get("excludeFromLatest"))


def _usable(state: State, definitions: Collection[tuple[str, ...]]) -> Iterator[tuple[Address, bool]]:
    """The recorded regions, without those that were to be made and were not."""
    making = {address for address, intent in state.intents.items() if intent.verb in (Verb.CREATE, Verb.REPLACE)}
    yield from (found for found in _recorded(state.records, definitions) if found[0] not in making)


def _kept(plan: Plan) -> Iterator[tuple[Address, bool]]:
    """The regions that are no longer recorded and continue to exist."""
    for change in plan.changes:
        if change.action is Action.FORGET and change.address.region and change.prior:
            yield change.address, bool(change.prior_attributes.get("excludeFromLatest"))
