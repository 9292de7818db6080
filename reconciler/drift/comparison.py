"""`find_drift`: the report for one refresh. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from reconciler.drift.latest_takeover import takeovers
from reconciler.drift.report import Drift, DriftKind, DriftReport, IgnoredChange
from reconciler.drift.unsettled import unsettled
from reconciler.manifests.address import Address
from reconciler.manifests.manifest import Manifest
from reconciler.manifests.resource import DriftException
from reconciler.manifests.values import Attributes
from reconciler.naming.object_names import ObjectNames
from reconciler.ownership import owner_of
from reconciler.planning.diff import attribute_changes, with_values_of
from reconciler.planning.refresh import World
from reconciler.providers.owner import Owner
from reconciler.providers.protocol import Condition, Observed
from reconciler.state.records import Record, State


def find_drift(
    state: State, world: World, manifest: Manifest, today: date, busy: Mapping[str, str] | None = None
) -> DriftReport:
    """The report for one refresh: equal inputs give equal reports. `busy`: gallery -> who is changing it just now."""
    names = ObjectNames.of(state)
    unreachable = _unreachable(state, world, names)
    settled = [record for address, record in state.records.items() if address not in state.intents | unreachable.keys()]
    differing = list(_differing(settled, state, world, manifest, today))
    drifts = [drift for drift in differing if not drift.only_ignored]
    empty = not (state.records or state.intents)
    return DriftReport(
        lineage=state.lineage,
        serial=state.serial,
        checked=len(settled),
        drifts=_sorted([*drifts, *unsettled(state, world, names, busy or {}), *takeovers(state, world, names)]),
        unmanaged=tuple(_unmanaged(state, world)),
        ignored=_sorted(drift for drift in differing if drift.only_ignored),
        unreachable=tuple(sorted(unreachable.items())),
        unrecorded=len(manifest.resources) if empty else 0,
        unrecorded_present=len(world.observed.keys() & manifest.resources.keys()) if empty else 0,
    )


def _unreachable(state: State, world: World, names: ObjectNames) -> dict[Address, str]:
    return {
        address: why
        for address in state.records.keys() | state.intents.keys()
        if (why := world.why_unknown(names.name(address)))
    }


def _sorted(drifts: Iterable[Drift]) -> tuple[Drift, ...]:
    return tuple(sorted(drifts, key=lambda drift: (drift.address.sort_key, drift.kind)))


def _differing(
    records: Iterable[Record], state: State, world: World, manifest: Manifest, today: date
) -> Iterator[Drift]:
    """A drift for each of the records that is not as its object, also where all of it is ignored."""
    owner = owner_of(state)
    for record in records:
        name = record.named or record.address
        if name in world.matching:
            continue
        resource = manifest.resources.get(record.address)
        exceptions = [
            exception for exception in (resource.lifecycle.ignore_drift if resource else ()) if _holds(exception, today)
        ]
        drift = _drift(record, world.observed.get(name), owner, exceptions)
        if drift is not None:
            yield drift


def _drift(
    record: Record, observed: Observed | None, owner: Owner, exceptions: Iterable[DriftException]
) -> Drift | None:
    address = record.address
    if observed is None:
        return Drift(address, DriftKind.MISSING, object_id=record.object_id)
    if not owner.owns(observed.mark, record.named or address) and observed.condition is not Condition.DAMAGED:
        return Drift(address, DriftKind.FOREIGN, defects=observed.defects, object_id=observed.object_id)
    before, after = record.attributes, observed.attributes
    expected = with_values_of(after, before, [exception.attribute for exception in exceptions])
    changes = attribute_changes(before, expected, address.kind)
    ignored = tuple(_ignored(address, before, after, exceptions))
    if observed.condition in (Condition.DAMAGED, Condition.INCOMPLETE):
        return Drift(address, DriftKind.DAMAGED, changes, observed.defects, observed.object_id, ignored)
    if changes or ignored:
        return Drift(address, DriftKind.CHANGED, changes, object_id=observed.object_id, ignored=ignored)
    return None


def _holds(exception: DriftException, today: date) -> bool:
    return not exception.until or date.fromisoformat(exception.until[:10]) >= today


def _ignored(
    address: Address, before: Attributes, after: Attributes, exceptions: Iterable[DriftException]
) -> Iterator[IgnoredChange]:
    """What each exception allows: the recorded values with those at its path as they are now."""
    for exception in exceptions:
        allowed = with_values_of(before, after, [exception.attribute])
        for change in attribute_changes(before, allowed, address.kind):
            yield IgnoredChange(change, exception.reason, exception.until)


def _unmanaged(state: State, world: World) -> Iterator[Drift]:
    """What exists without a record: what nobody declared, and what is declared and is not ours."""
    names, owner = ObjectNames.of(state), owner_of(state)
    recorded = {names.name(address) for address in state.records.keys() | state.intents.keys()}
    declared = [
        seen for name, seen in world.observed.items() if name not in recorded and not owner.owns(seen.mark, name)
    ]
    for stranger in sorted([*world.unmanaged, *declared], key=lambda seen: (seen.address, seen.object_id)):
        yield Drift(stranger.address, DriftKind.UNMANAGED, defects=stranger.defects, object_id=stranger.object_id)
