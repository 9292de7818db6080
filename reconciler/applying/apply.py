"""`apply_plan`: carries out a plan, and records every step before and after.

The order of writes is: journal the intents, commit, call the provider, commit the result. One thread owns the state
and the reporter; providers are called in workers. An operation that continues at its provider occupies no worker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from reconciler.applying.context import ApplyContext
from reconciler.applying.execution import Execution
from reconciler.applying.latest_check import LatestMissed, latest_missed
from reconciler.applying.operations import operations
from reconciler.applying.ordering import operation_graph
from reconciler.applying.step_results import bookkeeping_write
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan
from reconciler.providers.errors import LeaseLost

Value = TypeVar("Value")
_NAMED = 3


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """How a run ended. `failed` and `skipped` are sorted by address; skipped ones name the address that failed.

    `left` are the units whose operations continue at their provider; their intents are in the journal. `not_started`
    are the units for which nothing was done. `interrupted`: a stop was requested, and left something to do. `removed`
    is what was also removed, as the plan said: `ResourceChange.removes`. `latest` are the regions where it did not
    become what was planned.
    """

    done: Mapping[Action, int]
    failed: tuple[tuple[Address, ReconcilerError], ...] = ()
    skipped: tuple[tuple[Address, Address], ...] = ()
    left: tuple[Address, ...] = ()
    not_started: tuple[Address, ...] = ()
    interrupted: bool = False
    removed: tuple[str, ...] = ()
    latest: tuple[LatestMissed, ...] = ()

    @property
    def complete(self) -> bool:
        return not (self.failed or self.skipped or self.left or self.not_started)


def apply_plan(plan: Plan, context: ApplyContext) -> ApplyResult:
    """Carries out every change of an applicable plan.

    Raises: StateError when the state can no longer be written; the journal then holds what was started. LeaseLost when
    another run has taken over; its message says what was done before.
    """
    if context.interrupt.count:  # recovery was cut short as well, so the journal still has to say what is left
        units = {change.address.unit for change in plan.changes}
        return ApplyResult({}, not_started=_sorted(units), interrupted=True)
    bookkeeping = [change for change in plan.changes if not change.action.touches_objects]
    if bookkeeping:
        context.store.write(context.lease, bookkeeping_write(bookkeeping, context.run))
    done = Counter(change.action for change in bookkeeping)
    planned = operations(plan, context.records, context.writer)
    if not planned:
        return ApplyResult(dict(done))
    execution = Execution(planned, operation_graph(planned, context.records), context)
    try:
        execution.run()
    except LeaseLost as error:
        raise explained_loss(error, done.total() + execution.recorded, _sorted(execution.left)) from error
    not_started = _sorted({key.unit for key in execution.not_started})
    result = ApplyResult(
        done={**done, **execution.done},
        failed=_by_address(execution.failed),
        skipped=_by_address(execution.skipped),
        left=_sorted(execution.left),
        not_started=not_started,
        interrupted=context.interrupt.count > 0 and bool(not_started or execution.left),
        removed=tuple(sorted(execution.removed)),
    )
    if result.complete:  # everything is as planned, and so is latest
        return result
    missed = latest_missed(plan, context.records, context.store.read(), execution.left)
    return replace(result, latest=missed)


def explained_loss(error: LeaseLost, recorded: int, left: Sequence[Address]) -> LeaseLost:
    """The same error, with what the run had done before: `recorded` changes, and something at the units `left`, which
    the next run finds in the journal."""
    done = "1 change was" if recorded == 1 else f"{recorded or 'no'} changes were"
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    names = ", ".join(map(str, left[:_NAMED])) + more
    rest = f"; the journal holds what was in progress: {names}" if left else ""
    return LeaseLost(f"{error.message}. Before that, {done} made and recorded{rest}", error.remedy)


def _sorted(addresses: Iterable[Address]) -> tuple[Address, ...]:
    return tuple(sorted(addresses, key=lambda address: address.sort_key))


def _by_address(values: Mapping[Address, Value]) -> tuple[tuple[Address, Value], ...]:
    return tuple(sorted(values.items(), key=lambda pair: pair[0].sort_key))
