"""A plan as operations: which steps a provider gets together."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.naming.object_names import ObjectNames
from reconciler.naming.source_names import rename_sources
from reconciler.planning.actions import Action, ResourceChange
from reconciler.planning.plan import Plan
from reconciler.planning.safety import repairs
from reconciler.planning.sources import version_references
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Operation, Step, Verb
from reconciler.state.records import Intent, Record


class Phase(IntEnum):
    """When an operation of a unit runs. A unit that is replaced has one in each of the first two phases, unless its
    backend stages replacements: then one operation does it all. RETIRE removes regions of a version that stays,
    where new versions of its definition are to be published first.

    A replacement is two steps of one change. The DELETE step removes the object; its record goes, and its intent stays
    in the journal (`StepResult.completes_change` is False). The APPLY step creates the object again; its record is
    written and the intent cleared in the same commit. When a run ends between the two, the next plan reads from the
    intent that the object is to be created again, and takes no record of it into account that the run left behind.
    """

    DELETE = 0
    APPLY = 1
    RETIRE = 2


@dataclass(frozen=True, slots=True)
class OperationKey:
    unit: Address
    phase: Phase

    @property
    def sort_key(self) -> tuple[object, ...]:
        return (self.unit.sort_key, self.phase)


@dataclass(frozen=True, slots=True)
class PlannedOperation:
    """One provider call, the change behind each of its steps, by object name, and the addresses of the versions that a
    version is built from."""

    key: OperationKey
    provider: str
    operation: Operation
    changes: Mapping[Address, ResourceChange]
    sources: tuple[Address, ...] = ()

    def address(self, step: Step) -> Address:
        """The resource of a step, which itself bears the object's name."""
        return self.changes[step.address].address

    def named(self, step: Step) -> Step:
        """The step under the resource's address, as people know it."""
        return with_address(step, self.address(step))

    def intent(self, step: Step, run: str, started: str, handle: Mapping[str, Any] | None = None) -> Intent:
        """The journal entry for a step of this run; `handle` is that of an operation that continues at its provider."""
        change = self.changes[step.address]
        return Intent(
            address=change.address,
            unit=self.key.unit,
            provider=self.provider,
            verb=step.verb.value,
            canonical="{}" if step.verb is Verb.DELETE else change.planned,
            digest=change.declared,
            run=run,
            started=started,
            handle="" if handle is None else canonical_json(handle),
            named=change.named,
        )


def with_address(step: Step, address: Address) -> Step:
    """The step under another address, as reporters get it."""
    if step.address == address:
        return step
    return Step(step.verb, address, step.planned, step.prior, step.object_id)


def operations(plan: Plan, records: Mapping[Address, Record], writer: Writer) -> dict[OperationKey, PlannedOperation]:
    """The operations of a plan, by key, done for `writer`. Changes that touch no object have none."""
    names = _names(plan, records)
    units: dict[Address, list[ResourceChange]] = defaultdict(list)
    for change in plan.changes:
        if change.action.touches_objects:
            units[change.address.unit].append(change)
    publishing = publishing_units(plan.changes)
    result: dict[OperationKey, PlannedOperation] = {}
    for unit, changes in units.items():
        by_phase: dict[Phase, list[tuple[Step, ResourceChange]]] = defaultdict(list)
        retire = bool(publishing.get(unit._replace(version=""), frozenset()) - {unit})
        for phase, step, change in _steps(unit, changes, names, retire=retire):
            by_phase[phase].append((replace(step, recorded=change.address in records), change))
        for phase, steps in by_phase.items():
            key = OperationKey(unit, phase)
            result[key] = _operation(key, writer, steps, records.get(unit), names)
    return result


def _operation(
    key: OperationKey,
    writer: Writer,
    steps: list[tuple[Step, ResourceChange]],
    record: Record | None,
    names: ObjectNames,
) -> PlannedOperation:
    changes = {step.address: change for step, change in steps}
    own = next((change for change in changes.values() if change.address == key.unit), None)
    if own is not None:
        version = own.prior_attributes if key.phase is Phase.DELETE else own.planned_attributes
    else:
        version = record.attributes if record else {}
    if own is not None:
        computed = {} if own.action is Action.REPLACE else json.loads(own.computed)
    else:
        computed = record.computed_values if record else {}
    makes_room = own is not None and key.phase is Phase.DELETE and own.action is Action.REPLACE
    operation = Operation(
        unit=steps[0][0].address.unit,
        writer=writer,
        steps=tuple(step for step, _ in steps),
        version=_at_provider(version, names) if key.unit.kind is Kind.IMAGE_VERSION else None,
        computed=computed,
        removes=own.removes if own is not None and key.phase is Phase.APPLY else (),
        replacement=_at_provider(own.planned_attributes, names) if own is not None and makes_room else None,
        sources=() if own is None or computed.get("disks") else own.sources,
    )
    sources = version_references(version) if operation.version else ()
    return PlannedOperation(key, steps[0][1].provider, operation, changes, sources)


def _names(plan: Plan, records: Mapping[Address, Record]) -> ObjectNames:
    """What providers call the objects of all addresses."""
    recorded = {address: record.named for address, record in records.items() if record.named}
    return ObjectNames(recorded | {change.address: change.named for change in plan.changes if change.named})


def _at_provider(attributes: Attributes, names: ObjectNames) -> Attributes:
    """A version's attributes with its sources as the provider calls them."""
    return rename_sources(attributes, names.name) if names else attributes


def _steps(
    unit: Address, changes: list[ResourceChange], names: ObjectNames, *, retire: bool
) -> Iterator[tuple[Phase, Step, ResourceChange]]:
    """The steps of a unit in order: deletes from the inside out, then the unit, then its regions, removed ones last; if
    `retire`, in an operation of their own."""
    own = next((change for change in changes if change.address == unit), None)
    regions = [change for change in changes if change.address != unit]
    whole = own is not None and own.action in (Action.DELETE, Action.REPLACE) and not own.staged
    stays = any(change.action is not Action.DELETE for change in changes)
    if whole:
        yield from (
            (Phase.DELETE, _delete(change), change) for change in [*regions, *([own] if own else [])] if change.prior
        )
    if own is not None and own.action is not Action.DELETE:
        yield Phase.APPLY, _apply(own, names, whole=not own.staged), own
    for change in regions:
        if change.action is not Action.DELETE:
            yield Phase.APPLY, _apply(change, names, whole=whole), change
    if not whole:
        phase = Phase.DELETE if not stays else Phase.RETIRE if retire else Phase.APPLY
        yield from ((phase, _delete(change), change) for change in regions if change.action is Action.DELETE)


def _delete(change: ResourceChange) -> Step:
    return Step(
        Verb.DELETE,
        change.named or change.address,
        prior=change.prior_attributes,
        object_id=change.object_id,
        makes_room=change.action is Action.REPLACE,
        protect=change.protect,
    )


def _apply(change: ResourceChange, names: ObjectNames, *, whole: bool) -> Step:
    """`whole`: the unit was deleted before, so that a replacement creates the object."""
    if change.action is Action.UPDATE:
        verb = Verb.UPDATE
    elif change.action is Action.REPLACE and not whole:
        verb = Verb.REPLACE
    else:
        verb = Verb.CREATE
    prior = change.prior_attributes if verb is not Verb.CREATE else None
    planned = change.planned_attributes
    if change.kind is Kind.IMAGE_VERSION:
        planned = _at_provider(planned, names)
    return Step(
        verb,
        change.named or change.address,
        planned,
        prior,
        change.object_id,
        change.write_flags,
        protect=change.protect,
        repairs=verb is Verb.REPLACE and repairs(change),
    )


def publishing_units(changes: Iterable[ResourceChange]) -> Mapping[Address, frozenset[Address]]:
    """Definition -> its versions that get copies in some region, new ones or others."""
    found: dict[Address, set[Address]] = defaultdict(set)
    for change in changes:
        if change.address.region and change.action in (Action.CREATE, Action.REPLACE):
            unit = change.address.unit
            found[unit._replace(version="")].add(unit)
    return {definition: frozenset(units) for definition, units in found.items()}
