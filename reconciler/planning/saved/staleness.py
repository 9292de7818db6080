"""Whether a saved plan still fits, and what of it is left to do. Pure.

A plan goes stale only for what it touches: the declarations, records, objects and sources of its own addresses, and the
containers and versions that these need. What its own earlier run has done counts as done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from reconciler.manifests.address import Address
from reconciler.naming.object_names import within
from reconciler.planning.actions import Action, ResourceChange
from reconciler.planning.plan import Plan
from reconciler.planning.sources import is_file
from reconciler.state.records import Run, State

_OF_NO_CONCERN = frozenset({"origin", "move_bytes"})
"""Fields that differ without a difference: where a document is, and what is only estimated."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a saved plan. `differences` say why it no longer fits, a sentence each; else `changes` are to be
    made, decided from the world as it is now."""

    changes: tuple[ResourceChange, ...]
    differences: tuple[str, ...] = ()


def rest_of(saved: Plan, fresh: Plan, state: State, own_runs: Collection[str] = ()) -> Rest:
    """What is left of `saved`. `fresh` was made from `state` just now with the saved plan's options; further changes in
    it do not matter. `own_runs` are the ids of earlier runs of the saved plan."""
    if saved.lineage != fresh.lineage:
        return Rest((), (f"it was made for state {saved.lineage}, and this is {fresh.lineage}",))
    now = {change.address: change for change in fresh.changes}
    changes: list[ResourceChange] = []
    differences: list[str] = []
    for change in saved.changes:
        today = now.get(change.address)
        if today is None:
            if not (own_runs and _is_done(change, state)):
                differences.append(f"{change.address}: {_why_not_planned(change, fresh)}")
        elif what := _what_differs(change, today, state, own_runs):
            differences.append(f"{change.address}: {what} changed since")
        else:
            changes.append(today)
    differences += _missing(saved, changes, now)
    return Rest(tuple(changes), tuple(differences))


def undone_by(own_runs: Collection[str], runs: Collection[Run]) -> Run | None:
    """A run of something else, since the first of `own_runs`, that may have removed what they made; None if there is
    none. `runs` are the newest first."""
    since = [run for run in runs if run.id in own_runs]
    if not since:
        return None
    first = min(run.started for run in since)
    removing = (Action.DELETE.value, Action.REPLACE.value, Action.FORGET.value)
    return next(
        (
            run
            for run in runs
            if run.id not in own_runs
            and run.started >= first
            and (run.command == "destroy" or any(run.counts.get(action) for action in removing))
        ),
        None,
    )


def _is_done(change: ResourceChange, state: State) -> bool:
    """Whether the records say that the change was made."""
    record = state.records.get(change.address)
    if not change.planned or change.action is Action.FORGET:
        return record is None
    return record is not None and record.provider == change.provider and record.canonical in _results(change)


def _results(change: ResourceChange) -> tuple[str, ...]:
    """What may be recorded once the change was made: bookkeeping keeps what it found."""
    return (change.planned,) if change.action.touches_objects else (change.planned, change.prior)


def _why_not_planned(change: ResourceChange, fresh: Plan) -> str:
    problem = next((error.summary for error in fresh.errors if error.address == change.address), "")
    return problem or f"planned as {change.action}, but nothing needs to change now"


def _what_differs(before: ResourceChange, after: ResourceChange, state: State, own_runs: Collection[str]) -> str:
    """What differs, as a phrase; empty when the change can be made as it was planned."""
    intent = state.intents.get(before.moved_from or before.address) or state.intents.get(before.address)
    if intent is not None and intent.run in own_runs:
        return _what_continues_otherwise(before, after)
    left, right = _compared(before), _compared(after)
    names = {name for name in left if left[name] != right[name]}
    if before.sources and _without_files(before) == _without_files(after):
        names -= {"planned", "declared"}
    if "moved_from" in names and after.moved_from is None and before.moved_from not in state.records:
        names.discard("moved_from")  # the state has it under its new address already
    return _in_words(names)


def _what_continues_otherwise(before: ResourceChange, after: ResourceChange) -> str:
    """What differs between a change that an own run has started and what is left of it now."""
    names = {name for name in ("provider", "protect", "retain") if getattr(before, name) != getattr(after, name)}
    if before.planned != after.planned and _without_files(before) != _without_files(after):
        names.add("planned")
    copied = after.action in (Action.CREATE, Action.REPLACE)
    if copied and before.sources and after.sources != before.sources:
        names.add("sources")
    if after.action is not before.action and after.action not in _continuations(before):
        names.add("action")
    if after.block is not None:
        names.add("block")
    return _in_words(names)


def _continuations(change: ResourceChange) -> tuple[Action, ...]:
    """The actions that an interrupted change may turn into besides its own."""
    if not change.planned:
        return (Action.FORGET,)
    replaced = (Action.REPLACE,) if change.address.region else ()
    return (Action.CREATE, Action.UPDATE, Action.ADOPT, Action.RECORD, *replaced)


def _compared(change: ResourceChange) -> Mapping[str, Any]:
    values = {field.name: getattr(change, field.name) for field in fields(change) if field.name not in _OF_NO_CONCERN}
    return {**values, "changes": tuple(replace(item, position=None) for item in change.changes)}


def _without_files(change: ResourceChange) -> Any:
    """The planned attributes with the digests of files in place of their names: a file may be called anything."""
    planned = dict(change.planned_attributes)
    digests = {source.disk: source.digest for source in change.sources if source.digest}
    if not digests:
        return planned

    def named(disk: str, source: Mapping[str, Any]) -> Any:
        return digests[disk] if disk in digests and is_file(source) else source

    if "source" in planned:
        planned["source"] = named("os", planned["source"])
    disks = planned.get("dataDisks", {})
    planned["dataDisks"] = {
        lun: {**disk, "source": named(f"data-{lun}", disk.get("source", {}))} for lun, disk in disks.items()
    }
    return planned


def _in_words(names: Collection[str]) -> str:
    said = {
        "fingerprint": "the object",
        "prior": "the object",
        "computed": "the object",
        "object_id": "the object",
        "defects": "the object",
        "planned": "its declaration",
        "declared": "its declaration",
        "changes": "its declaration or the object",
        "write_flags": "its declaration",
        "sources": "the content of its source",
        "block": "whether it is allowed",
    }
    words = {said.get(name, f"its {name.replace('_', ' ')}") for name in names}
    if words & {"the object", "its declaration"}:
        words.discard("its declaration or the object")
    return " and ".join(sorted(words))


def _missing(saved: Plan, changes: Collection[ResourceChange], now: Mapping[Address, ResourceChange]) -> Iterator[str]:
    """What the changes need today that the saved plan does not do."""
    planned = {change.address for change in saved.changes}
    removing = (Action.DELETE, Action.REPLACE)
    gone = {change.address for change in saved.changes if change.action in removing and change.address in now}
    needed = {address for change in changes for address in (*change.dependencies, *_above(change.address))}
    for address, today in now.items():
        if address in planned:
            continue
        if address in needed and today.action in _RECREATING:
            yield f"{address}: {today.action} is needed before, which is not part of the plan"
        elif any(within(address, container) for container in gone):
            yield f"{address}: it would be lost as well, which is not part of the plan"


_RECREATING = frozenset({Action.CREATE, Action.REPLACE, Action.DELETE, Action.FORGET})


def _above(address: Address) -> Iterator[Address]:
    while (parent := address.parent) is not None:
        yield parent
        address = parent
