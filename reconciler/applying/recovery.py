"""`recover`: finishes or cleans up what interrupted runs left in the journal, before the next plan is made."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from reconciler.applying.context import Interrupt
from reconciler.manifests.address import Address
from reconciler.naming.object_names import ObjectNames
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Condition, Done, InProgress, Provider, Scope
from reconciler.reporting import Reporter
from reconciler.state.records import Intent, State
from reconciler.state.store import Lease, StateStore, StateWrite

_FIRST_LOOK_S = 0.25
_LONGEST_PAUSE_S = 15.0
_TICK_S = 0.2


@dataclass(frozen=True, slots=True)
class RecoveryContext:
    """What recovery works with. Only galleries that `lease` covers are recovered."""

    store: StateStore
    lease: Lease
    writer: Writer
    providers: Mapping[str, Provider]
    reporter: Reporter
    interrupt: Interrupt


def recover(state: State, context: RecoveryContext, declared: Collection[Address] = ()) -> None:
    """Ends the unfinished operations of earlier runs.

    Polls those that continue at their provider until they are over, waits for those that were started and left no
    handle, and has the providers remove what interrupted ones left, except for what the next apply can continue because
    it is still `declared`. The intents stay in the journal: the next plan reads how their operations ended.

    Raises: ProviderError when a provider cannot be asked; StateError; LeaseLost.
    """
    intents = [
        intent
        for address, intent in state.intents.items()
        if address.gallery in context.lease.galleries and intent.provider in context.providers
    ]
    names = ObjectNames.of(state)
    continued = {names.name(address) for address in declared}
    _poll_handles(intents, context)
    by_provider: dict[str, list[Intent]] = defaultdict(list)
    for intent in intents:
        by_provider[intent.provider].append(intent)
    for name, unfinished in sorted(by_provider.items()):
        addresses = sorted(names.name(intent.address) for intent in unfinished)
        started = max(datetime.fromisoformat(intent.started) for intent in unfinished)
        provider = context.providers[name]
        _wait_while_busy(provider, addresses, started, context)
        if not context.interrupt.count:
            provider.tidy(addresses, context.writer, continued)


def _poll_handles(intents: Iterable[Intent], context: RecoveryContext) -> None:
    """Polls every operation that left a handle; the intents of those that are over lose it."""
    by_handle: dict[str, list[Intent]] = defaultdict(list)
    for intent in intents:
        if intent.handle:
            by_handle[intent.handle].append(intent)
    for handle, polled in by_handle.items():
        _report_waiting(polled[0].unit, context)
        if _poll_until_done(context.providers[polled[0].provider], handle, context):
            cleared = tuple(replace(intent, handle="") for intent in polled)
            context.store.write(context.lease, StateWrite(put_intents=cleared))


def _poll_until_done(provider: Provider, handle: str, context: RecoveryContext) -> bool:
    """Whether the operation is over; it may not be when a stop was requested."""
    answer = provider.poll(json.loads(handle), context.writer, context.reporter.progress)
    while isinstance(answer, InProgress) and not context.interrupt.count:
        _pause(answer.retry_after_s, context)
        answer = provider.poll(answer.handle, context.writer, context.reporter.progress)
    return isinstance(answer, Done)


def _wait_while_busy(
    provider: Provider, addresses: Iterable[Address], started: datetime, context: RecoveryContext
) -> None:
    """Waits until the backend is no longer working on any of these objects.

    A run that is killed right after a call leaves no handle while the backend still works: only looking shows when it
    is over. Also returns once that takes longer than an operation may; the plan then reports what is not over.
    """
    scope = Scope(dict.fromkeys(sorted({address.unit for address in addresses}, key=lambda unit: unit.sort_key)))
    patience = timedelta(seconds=provider.capabilities().patience_s)
    pause_s = _FIRST_LOOK_S
    while not context.interrupt.count:
        observed = provider.scan(scope).observed.values()
        busy = [each.address for each in observed if each.condition is Condition.BUSY]
        if not busy or datetime.now(UTC) - started > patience:
            return
        if pause_s == _FIRST_LOOK_S:
            _report_waiting(busy[0], context)
        _pause(pause_s, context)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _report_waiting(address: Address, context: RecoveryContext) -> None:
    context.reporter.waiting(f"{address}: an operation of an earlier run is still in progress")


def _pause(seconds: float, context: RecoveryContext) -> None:
    """Sleeps; ends early when a stop is requested. Raises: LeaseLost."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not context.interrupt.count:
        time.sleep(min(left, _TICK_S))
        context.writer.require_lease()
