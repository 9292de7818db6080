"""`apply_plan`: does what a plan says, and records every step before and after.

The order of writes is: journal the intents, commit, call the provider, commit the result. One thread owns the state
and the reporter; providers are called in workers. What waits for a provider to finish by itself holds no worker.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from reconciler.applying.execution import ApplyContext, Execution, Interrupt
from reconciler.applying.operations import operation_graph, operations
from reconciler.applying.step_results import bookkeeping_write
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.names import Names
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan
from reconciler.providers.protocol import Condition, Done, InProgress, Provider, Scope
from reconciler.reporting import Reporter
from reconciler.state.records import Intent, State
from reconciler.state.store import Lease, StateStore, StateWrite

_RENEW_EVERY_S = 15.0
_FIRST_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """How a run ended. `failed` and `skipped` are sorted by address; skipped ones name the address that failed.

    `left` are the units whose operations go on at the provider and are in the journal.
    """

    done: Mapping[Action, int]
    failed: tuple[tuple[Address, ReconcilerError], ...] = ()
    skipped: tuple[tuple[Address, Address], ...] = ()
    left: tuple[Address, ...] = ()
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        return not (self.failed or self.skipped or self.left or self.interrupted)


def apply_plan(plan: Plan, context: ApplyContext) -> ApplyResult:
    """Carries out every change of an applicable plan.

    Raises: StateError when the state cannot be written any more; what was begun is in the journal then.
    """
    done: dict[Action, int] = {}
    bookkeeping = [change for change in plan.changes if not change.action.touches_objects]
    if bookkeeping:
        context.store.write(context.lease, bookkeeping_write(bookkeeping))
    for change in bookkeeping:
        done[change.action] = done.get(change.action, 0) + 1
    planned = operations(plan, context.records)
    if not planned:
        return ApplyResult(done)
    execution = Execution(planned, operation_graph(planned, context.records), context)
    execution.run()
    return ApplyResult(
        done={**done, **execution.done},
        failed=tuple(sorted(execution.failed.items(), key=lambda pair: pair[0].sort_key)),
        skipped=tuple(sorted(execution.skipped.items(), key=lambda pair: pair[0].sort_key)),
        left=tuple(sorted(execution.left, key=lambda address: address.sort_key)),
        interrupted=context.interrupt.count > 0,
    )


def recover(
    state: State,
    providers: Mapping[str, Provider],
    store: StateStore,
    lease: Lease,
    reporter: Reporter,
    interrupt: Interrupt,
    declared: Collection[Address] = (),
) -> None:
    """Ends what earlier runs left in the journal, as far as the lease reaches: polls operations that go on until each
    is over, waits for those that were begun and left no handle, and has their providers remove what interrupted ones
    left, but for what can be gone on with because it is still `declared`. The intents stay: the next plan reads what
    came of them.

    Raises: ProviderError when a provider cannot be asked; StateError.
    """
    intents = [intent for address, intent in state.intents.items() if address.gallery in lease.galleries]
    waiting: dict[str, list[Intent]] = {}
    names: dict[str, list[Address]] = {}
    begun: dict[str, datetime] = {}
    known = Names.of(state.records.values())
    for intent in intents:
        if intent.provider not in providers:
            continue
        if intent.handle:
            waiting.setdefault(intent.handle, []).append(intent)
        names.setdefault(intent.provider, []).append(known.name(intent.address))
        started = datetime.fromisoformat(intent.started)
        begun[intent.provider] = max(started, begun.get(intent.provider, started))
    for handle, over in waiting.items():
        reporter.waiting(f"{over[0].unit}: an operation of an earlier run is still in progress")
        if _poll_to_the_end(providers[over[0].provider], handle, store, lease, reporter, interrupt):
            store.write(lease, StateWrite(put_intents=tuple(replace(intent, handle="") for intent in over)))
    for name, addresses in sorted(names.items()):
        _wait_while_busy(providers[name], addresses, begun[name], store, lease, reporter, interrupt)
        if not interrupt.count:
            providers[name].tidy(sorted(addresses), state.lineage, {known.name(address) for address in declared})


def _poll_to_the_end(
    provider: Provider, handle: str, store: StateStore, lease: Lease, reporter: Reporter, interrupt: Interrupt
) -> bool:
    """Whether the operation is over; it may not be when somebody asked to stop."""
    answer = provider.poll(json.loads(handle), reporter.progress)
    while isinstance(answer, InProgress) and not interrupt.count:
        _pause(answer.retry_after_s, interrupt, lambda: store.renew(lease))
        answer = provider.poll(answer.handle, reporter.progress)
    return isinstance(answer, Done)


def _wait_while_busy(
    provider: Provider,
    addresses: list[Address],
    begun: datetime,
    store: StateStore,
    lease: Lease,
    reporter: Reporter,
    interrupt: Interrupt,
) -> None:
    """A run that is killed right after a call leaves no handle, and still the backend is at it: then only looking tells
    when it is over. Ends as well when that takes longer than an operation may; the plan then says what is not over."""
    wanted = Scope(dict.fromkeys(sorted({address.unit for address in addresses}, key=lambda one: one.sort_key)))
    patience = timedelta(seconds=provider.capabilities().patience_s)
    pause_s = _FIRST_LOOK_S
    while not interrupt.count:
        seen = provider.scan(wanted).observed.values()
        busy = [one.address for one in seen if one.condition is Condition.BUSY]
        if not busy or datetime.now(UTC) - begun > patience:
            return
        if pause_s == _FIRST_LOOK_S:
            reporter.waiting(f"{busy[0]}: an operation of an earlier run is still in progress")
        _pause(pause_s, interrupt, lambda: store.renew(lease))
        pause_s = min(2 * pause_s, _RENEW_EVERY_S)


def _pause(seconds: float, interrupt: Interrupt, each: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not interrupt.count:
        time.sleep(min(left, _RENEW_EVERY_S))
        each()
