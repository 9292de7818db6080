"""What is not settled: operations in the journal, and objects of ours that were started and are in no record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.drift.report import Drift, DriftKind
from reconciler.manifests.address import Address
from reconciler.naming.object_names import ObjectNames
from reconciler.ownership import owner_of
from reconciler.planning.refresh import World
from reconciler.providers.protocol import Condition, Observed, Verb
from reconciler.state.records import Intent, State

_CONDITIONS = {
    Condition.INCOMPLETE: "it is not complete",
    Condition.DAMAGED: "it is damaged",
    Condition.BUSY: "the provider is still working on it",
}


def unsettled(state: State, world: World, names: ObjectNames, busy: Mapping[str, str]) -> Iterator[Drift]:
    """A drift for each journal entry, and for each of our objects that is incomplete and in no record. `busy`: gallery
    -> who is changing it now."""
    for address, intent in state.intents.items():
        yield _in_journal(intent, names.name(address), world, busy.get(address.gallery, ""))
    owner = owner_of(state)
    recorded = {names.name(address) for address in state.records.keys() | state.intents.keys()}
    for name, seen in world.observed.items():
        incomplete = seen.condition in (Condition.INCOMPLETE, Condition.BUSY)
        if incomplete and name not in recorded and owner.owns(seen.mark, name):
            yield _drift(names.address(name), seen, ("it bears our mark, and is in no record", *_found(seen)))


def _in_journal(intent: Intent, name: Address, world: World, changed_by: str) -> Drift:
    """What is known about the object of a journal entry."""
    who = f", {changed_by}" if changed_by else ""
    started = f"{intent.verb} started {intent.started}, and how it ended is not recorded{who}"
    if why := world.why_unknown(name):
        return Drift(intent.address, DriftKind.UNSETTLED, defects=(started, f"it cannot be asked: {why}"))
    seen = world.observed.get(name)
    if seen is None and name not in world.matching:
        harmed = intent.verb != Verb.DELETE and not changed_by
        return Drift(intent.address, DriftKind.UNSETTLED, defects=(started, "it does not exist"), harmed=harmed)
    return _drift(intent.address, seen, (started, *(_found(seen) if seen else ("it is as recorded",))))


def _drift(address: Address, seen: Observed | None, defects: tuple[str, ...]) -> Drift:
    harmed = seen is not None and seen.condition in (Condition.INCOMPLETE, Condition.DAMAGED)
    object_id = seen.object_id if seen else ""
    return Drift(address, DriftKind.UNSETTLED, defects=defects, object_id=object_id, harmed=harmed)


def _found(seen: Observed) -> tuple[str, ...]:
    return (_CONDITIONS.get(seen.condition, "it exists and is complete"), *seen.defects)
