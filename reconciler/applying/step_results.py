"""Step results: a provider's answer becomes a `StepResult` for each step, and results become one write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace

from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.values import canonical_json
from reconciler.planning.actions import Action, ResourceChange
from reconciler.providers.bound_sources import require_bound
from reconciler.providers.errors import ContractViolation, ProviderError, SourceError
from reconciler.providers.protocol import Applied, Done, InProgress, Step, Verb
from reconciler.state.records import Intent, Record
from reconciler.state.store import StateWrite
from reconciler.state.upkeep import Change


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step ended: exactly one of `applied` and `error` is set."""

    step: Step
    change: ResourceChange
    applied: Applied | None = None
    error: ReconcilerError | None = None

    @property
    def completes_change(self) -> bool:
        """Whether the change is done once this step is; the delete that begins a replacement does not complete it."""
        return self.step.verb is not Verb.DELETE or self.change.action is Action.DELETE


def answer_of(future: Future[Done | InProgress]) -> Done | InProgress | ReconcilerError:
    """What a provider answered. An exception fails this operation and nothing else: a provider may be anyone's code."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, ReconcilerError):
        return error
    failure = ProviderError(f"the provider failed unexpectedly: {type(error).__name__}: {error}. This is a bug.")
    failure.__cause__ = error
    return failure


def results_of(
    provider: str,
    open_steps: Mapping[Address, Step],
    changes: Mapping[Address, ResourceChange],
    answer: Done | InProgress | ReconcilerError,
) -> Iterator[StepResult]:
    """A result for each step that is over, by the names in `open_steps`; a step without an answer has failed."""
    missing = ContractViolation(f"provider '{provider}' returned no result. This is a bug in the provider.")
    for name, step in open_steps.items():
        if isinstance(answer, ReconcilerError):
            result: Applied | ReconcilerError = answer
        elif name in answer.results:
            result = answer.results[name]
        elif isinstance(answer, InProgress):
            continue
        else:
            result = missing
        yield _result_of(step, changes[name], result)


def _result_of(step: Step, change: ResourceChange, result: Applied | ReconcilerError) -> StepResult:
    if isinstance(result, ReconcilerError):
        return StepResult(step, change, error=result)
    if step.verb is not Verb.DELETE and (other := _other_content(change, result)):
        return StepResult(step, change, error=other)
    if step.verb is Verb.DELETE or result.canonical == change.planned:
        return StepResult(step, change, applied=result)
    if result.canonical == canonical_json(step.planned):  # it names its sources as the provider does
        return StepResult(step, change, applied=replace(result, canonical=change.planned))
    return StepResult(step, change, error=_contradiction(change, result))


def _other_content(change: ResourceChange, applied: Applied) -> ContractViolation | None:
    """What a provider did wrong that published another content than was planned; None if it did not."""
    if not change.sources:
        return None
    try:
        require_bound(change.sources, json.loads(applied.computed).get("disks", {}))
    except SourceError as error:
        return ContractViolation(
            f"provider '{change.provider}' published something other than planned: {error.message}. "
            "This is a bug in the provider."
        )
    return None


def _contradiction(change: ResourceChange, applied: Applied) -> ContractViolation:
    planned, got = change.planned_attributes, json.loads(applied.canonical)
    names = sorted(name for name in planned.keys() | got.keys() if planned.get(name) != got.get(name))
    return ContractViolation(
        f"provider '{change.provider}' made something other than planned: {', '.join(names)} differ. "
        "This is a bug in the provider."
    )


def record_of(change: ResourceChange, applied: Applied) -> Record:
    """The record of a node after its change was applied."""
    return Record(
        address=change.address,
        provider=change.provider,
        object_id=applied.object_id,
        canonical=applied.canonical,
        digest=change.declared,
        fingerprint=applied.fingerprint,
        computed=applied.computed,
        dependencies=change.dependencies,
        protect=change.protect,
        retain=change.retain,
        named=change.named,
    )


def state_write(
    over: Iterable[StepResult], intents: Iterable[Intent] = (), withdrawn: Iterable[Address] = (), run: str = ""
) -> StateWrite:
    """What results, new intents and withdrawn ones of a run change in the state. A failed step stays in the journal,
    where the next run finds it, and so does the first half of a replacement: see `Phase`."""
    records: list[Record] = []
    gone: list[Address] = []
    cleared: list[Address] = list(withdrawn)
    changes: list[Change] = []
    for result in over:
        if result.applied is None:
            continue
        address = result.change.address
        if result.step.verb is Verb.DELETE:
            gone.append(address)
        else:
            records.append(record_of(result.change, result.applied))
        if result.completes_change:
            cleared.append(address)
            changes.append(Change(address, result.change.action.value, run))
    return StateWrite(tuple(records), tuple(gone), tuple(intents), tuple(cleared), put_changes=tuple(changes))


def bookkeeping_write(changes: Iterable[ResourceChange], run: str = "") -> StateWrite:
    """The write for changes of a run that touch no object: records that are adopted, renamed or dropped."""
    changes = tuple(changes)
    kept = [change for change in changes if change.action is not Action.FORGET]
    gone = [change.address for change in changes if change.action is Action.FORGET]
    return StateWrite(
        put_records=tuple(
            record_of(change, Applied(change.object_id, change.fingerprint, change.prior, change.computed))
            for change in kept
        ),
        forget=tuple(gone),
        clear_intents=tuple(change.address for change in changes),
        put_changes=tuple(Change(change.address, change.action.value, run) for change in changes),
    )
