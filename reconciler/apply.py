"""`apply_plan`: does what a plan says, and records every step before and after.

The order of writes is: journal the intents, commit, call the provider, commit the outcome. One thread owns the state
and the reporter; providers are called in workers. What waits for a provider to finish by itself holds no worker.
"""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import Any

from manifests.address import Address
from manifests.errors import ReconcilerError
from manifests.values import canonical_json
from providers.errors import ContractViolation, ProviderError
from providers.protocol import Applied, Done, InProgress, Provider, Results, Step, Verb
from reconciler.actions import Action, ResourceChange
from reconciler.operations import OperationKey, PlannedOperation, operation_graph, operations
from reconciler.plan import Plan
from reconciler.reporting import Reporter, SafeReporter
from state.records import Intent, Record
from state.store import Lease, StateStore, StateWrite

_TICK_S = 0.2
_RENEW_EVERY_S = 15.0


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


@dataclass(slots=True)
class Interrupt:
    """How often somebody asked to stop: once, running operations are finished; twice, they are left to the journal."""

    count: int = 0
    wake: Callable[[], None] = field(default=lambda: None)

    def __call__(self) -> None:
        self.count += 1
        self.wake()


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """What a run works with. `started` is the run's time (ISO), `run` its id; `wait` is False to leave operations that
    take long to the journal."""

    store: StateStore
    lease: Lease
    providers: Mapping[str, Provider]
    records: Mapping[Address, Record]
    run: str
    started: str
    reporter: Reporter = field(default_factory=Reporter)
    interrupt: Interrupt = field(default_factory=Interrupt)
    parallelism: int = 10
    wait: bool = True


def apply_plan(plan: Plan, context: ApplyContext) -> ApplyResult:
    """Carries out every change of an applicable plan.

    Raises: StateError when the state cannot be written any more; what was begun is in the journal then.
    """
    bookkeeping = [change for change in plan.changes if not change.action.touches_objects]
    if bookkeeping:
        context.store.write(context.lease, _bookkeeping_write(bookkeeping))
    execution = _Execution(plan, context)
    return execution.run(bookkeeping)


def _bookkeeping_write(changes: list[ResourceChange]) -> StateWrite:
    """What changes nothing but the state."""
    kept = [change for change in changes if change.action is not Action.FORGET]
    gone = [change.address for change in changes if change.action is Action.FORGET]
    return StateWrite(
        put_records=tuple(
            _record(change, change.prior, change.object_id, change.fingerprint, change.computed) for change in kept
        ),
        forget=tuple([*gone, *(change.moved_from for change in kept if change.moved_from)]),
        clear_intents=tuple(change.address for change in changes),
    )


def _record(change: ResourceChange, canonical: str, object_id: str, fingerprint: str, computed: str) -> Record:
    return Record(
        address=change.address,
        provider=change.provider,
        object_id=object_id,
        canonical=canonical,
        digest=change.declared,
        fingerprint=fingerprint,
        computed=computed,
        dependencies=change.dependencies,
        protect=change.protect,
        retain=change.retain,
    )


@dataclass(slots=True)
class _Running:
    """An operation that was begun: when, the steps without an outcome yet, and its handle once it is in progress."""

    planned: PlannedOperation
    since: float
    open: dict[Address, Step]
    handle: Mapping[str, Any] | None = None
    failed: bool = False


class _Execution:
    """The single-threaded heart of a run: what is ready, running, waiting, and what came back."""

    def __init__(self, plan: Plan, context: ApplyContext) -> None:
        self._context = context
        self._reporter = SafeReporter(context.reporter)
        self._planned = operations(plan, context.records)
        self._graph = operation_graph(self._planned, context.records) if self._planned else None
        self._waits_for: dict[OperationKey, int] = {}
        self._ready: list[tuple[tuple[object, ...], OperationKey]] = []
        self._running: dict[OperationKey, _Running] = {}
        self._due: list[tuple[float, tuple[object, ...], OperationKey]] = []
        self._back: SimpleQueue[tuple[OperationKey, Future[Done | InProgress]] | None] = SimpleQueue()
        self._progress: dict[Address, tuple[int, int]] = {}
        self._done: dict[Action, int] = {}
        self._failed: dict[Address, ReconcilerError] = {}
        self._skipped: dict[Address, Address] = {}
        self._left: set[Address] = set()
        self._renewed = time.monotonic()
        context.interrupt.wake = lambda: self._back.put(None)

    def run(self, bookkeeping: list[ResourceChange]) -> ApplyResult:
        for change in bookkeeping:
            self._count(change.action)
        if self._graph is not None:
            for key in self._graph.order():
                self._waits_for[key] = self._graph.waits_for(key)
                if not self._waits_for[key]:
                    heapq.heappush(self._ready, (key.sort_key, key))
            self._loop()
        return ApplyResult(
            done=self._done,
            failed=tuple(sorted(self._failed.items(), key=lambda pair: pair[0].sort_key)),
            skipped=tuple(sorted(self._skipped.items(), key=lambda pair: pair[0].sort_key)),
            left=tuple(sorted(self._left, key=lambda address: address.sort_key)),
            interrupted=self._context.interrupt.count > 0,
        )

    def _loop(self) -> None:
        pool = ThreadPoolExecutor(self._context.parallelism, thread_name_prefix="apply")
        told = False
        try:
            while True:
                write, finished = self._collect()
                starting = self._next_to_start()
                self._commit(write, starting)
                self._report(finished)
                self._submit(pool, starting)
                self._poll_due(pool)
                if not self._running or self._context.interrupt.count > 1:
                    break
                if self._context.interrupt.count and not told:
                    self._reporter.interrupted(len(self._running))
                    told = True
                self._wait()
        finally:
            self._left |= {key.unit for key in self._running}
            pool.shutdown(wait=self._context.interrupt.count < 2, cancel_futures=True)

    def _wait(self) -> None:
        """Until something comes back, a poll is due, or it is time to look around."""
        timeout = _TICK_S
        if self._due:
            timeout = max(0.0, min(timeout, self._due[0][0] - time.monotonic()))
        try:
            item = self._back.get(timeout=timeout)
        except Empty:
            item = None
        if item is not None:
            self._back.put(item)
        while self._progress:
            address, (done, total) = self._progress.popitem()
            self._reporter.progress(address, done, total)
        if time.monotonic() - self._renewed > _RENEW_EVERY_S:
            self._context.store.renew(self._context.lease)
            self._renewed = time.monotonic()

    def _collect(self) -> tuple[StateWrite, list[tuple[Step, float, ReconcilerError | None]]]:
        """Everything that came back since the last time, as one write and what to report of it."""
        records: list[Record] = []
        gone: list[Address] = []
        cleared: list[Address] = []
        handles: list[Intent] = []
        finished: list[tuple[Step, float, ReconcilerError | None]] = []
        while not self._back.empty():
            item = self._back.get()
            if item is None:
                continue
            key, future = item
            running = self._running[key]
            answer = _answer(future)
            for address, outcome in _outcomes(running, answer).items():
                step = running.open.pop(address)
                change = running.planned.changes[address]
                error = _contradiction(step, outcome, change) if isinstance(outcome, Applied) else outcome
                finished.append((step, time.monotonic() - running.since, error))
                if error is not None:
                    self._failed[address] = error
                    running.failed |= _matters(address, running)
                elif step.verb is Verb.DELETE:
                    gone += [] if change.action is Action.REPLACE else [address]
                    cleared += [] if change.action is Action.REPLACE else [address]
                    self._count(Action.DELETE if change.action is Action.DELETE else None)
                elif isinstance(outcome, Applied):
                    records.append(
                        _record(change, outcome.canonical, outcome.object_id, outcome.fingerprint, outcome.computed)
                    )
                    cleared.append(address)
                    self._count(change.action)
            if isinstance(answer, InProgress) and running.open:
                handles += self._keep_waiting(key, running, answer)
            else:
                del self._running[key]
                self._release_followers(key, running)
        return StateWrite(tuple(records), tuple(gone), tuple(handles), tuple(cleared)), finished

    def _keep_waiting(self, key: OperationKey, running: _Running, answer: InProgress) -> list[Intent]:
        """Puts the operation into the timer queue; the intents with its handle are to be written before that counts."""
        running.handle = answer.handle
        if self._context.wait:
            heapq.heappush(self._due, (time.monotonic() + answer.retry_after_s, key.sort_key, key))
        else:
            del self._running[key]
            self._left.add(key.unit)
            self._skip_followers(key, key.unit)
        return [self._intent(running.planned, step, answer.handle) for step in running.open.values()]

    def _release_followers(self, key: OperationKey, running: _Running) -> None:
        if running.failed:
            root = next(address for address in running.planned.changes if address in self._failed)
            self._skip_followers(key, root)
            return
        assert self._graph is not None
        for follower in self._graph.following(key):
            self._waits_for[follower] -= 1
            if not self._waits_for[follower] and follower.unit not in self._skipped:
                heapq.heappush(self._ready, (follower.sort_key, follower))

    def _skip_followers(self, key: OperationKey, root: Address) -> None:
        assert self._graph is not None
        for follower in self._graph.following(key):
            steps = self._planned[follower].operation.steps
            if all(step.address in self._skipped for step in steps):
                continue
            for step in steps:
                if step.address not in self._skipped:
                    self._skipped[step.address] = root
                    self._reporter.skipped(step, root)
            self._skip_followers(follower, root)

    def _next_to_start(self) -> list[PlannedOperation]:
        """As many ready operations as there is room for; twice the workers, so that none waits for a commit."""
        starting: list[PlannedOperation] = []
        busy = sum(running.handle is None for running in self._running.values())
        while (
            self._ready and not self._context.interrupt.count and busy + len(starting) < 2 * self._context.parallelism
        ):
            _, key = heapq.heappop(self._ready)
            starting.append(self._planned[key])
        return starting

    def _commit(self, write: StateWrite, starting: list[PlannedOperation]) -> None:
        intents = [self._intent(planned, step) for planned in starting for step in planned.operation.steps]
        write = StateWrite(write.put_records, write.forget, (*write.put_intents, *intents), write.clear_intents)
        if write:
            self._context.store.write(self._context.lease, write)

    def _intent(self, planned: PlannedOperation, step: Step, handle: Mapping[str, Any] | None = None) -> Intent:
        change = planned.changes[step.address]
        return Intent(
            address=step.address,
            unit=planned.key.unit,
            provider=planned.provider,
            verb=step.verb.value,
            canonical=change.planned if step.verb is not Verb.DELETE else "{}",
            digest=change.declared,
            run=self._context.run,
            started=self._context.started,
            handle=canonical_json(handle) if handle is not None else "",
        )

    def _submit(self, pool: ThreadPoolExecutor, starting: list[PlannedOperation]) -> None:
        for planned in starting:
            steps = {step.address: step for step in planned.operation.steps}
            self._running[planned.key] = _Running(planned, time.monotonic(), steps)
            for step in planned.operation.steps:
                self._reporter.started(step)
            provider = self._context.providers[planned.provider]
            self._call(pool, planned.key, provider.begin, planned.operation)

    def _poll_due(self, pool: ThreadPoolExecutor) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, key = heapq.heappop(self._due)
            running = self._running[key]
            provider = self._context.providers[running.planned.provider]
            self._call(pool, key, provider.poll, running.handle)

    def _call(self, pool: ThreadPoolExecutor, key: OperationKey, call: Callable[..., Any], argument: Any) -> None:
        future = pool.submit(call, argument, self._note_progress)
        future.add_done_callback(lambda over: self._back.put((key, over)))

    def _note_progress(self, address: Address, done: int, total: int) -> None:
        self._progress[address] = (done, total)

    def _report(self, finished: list[tuple[Step, float, ReconcilerError | None]]) -> None:
        for step, seconds, error in finished:
            if error is None:
                self._reporter.finished(step, seconds)
            else:
                self._reporter.failed(step, error)

    def _count(self, action: Action | None) -> None:
        if action is not None:
            self._done[action] = self._done.get(action, 0) + 1


def _answer(future: Future[Done | InProgress]) -> Done | InProgress | ReconcilerError:
    """What a provider answered; what it raised becomes an error that names it, never a traceback."""
    try:
        return future.result()
    except ReconcilerError as error:
        return error
    except Exception as error:  # a provider may be anybody's code: whatever it raises fails its own operation only
        return ProviderError(f"the provider failed unexpectedly: {type(error).__name__}: {error}. This is a bug.")


def _outcomes(
    running: _Running, answer: Done | InProgress | ReconcilerError
) -> Results | dict[Address, ReconcilerError]:
    """An outcome for each step that is over; a provider that forgets one has failed it."""
    if isinstance(answer, ReconcilerError):
        return dict.fromkeys(running.open, answer)
    over = {address: outcome for address, outcome in answer.results.items() if address in running.open}
    if isinstance(answer, Done):
        forgotten = ContractViolation(
            f"provider '{running.planned.provider}' gave no result. This is a bug of the provider."
        )
        over |= {address: forgotten for address in running.open if address not in over}
    return over


def _contradiction(step: Step, applied: Applied, change: ResourceChange) -> ContractViolation | None:
    """Whether what came back is what was planned."""
    if step.verb is Verb.DELETE or applied.canonical == change.planned:
        return None
    planned, got = change.planned_attributes, json.loads(applied.canonical)
    names = sorted(name for name in planned.keys() | got.keys() if planned.get(name) != got.get(name))
    return ContractViolation(
        f"provider '{change.provider}' made something else than was planned: {', '.join(names)} differ. "
        "This is a bug of the provider."
    )


def _matters(address: Address, running: _Running) -> bool:
    """Whether what waits for this operation cannot go on: all failures do, but those of regions other than the home."""
    version = running.planned.operation.version
    return not address.region or version is None or address.region == version.get("location")


def settle(
    handles: Mapping[Address, Intent],
    providers: Mapping[str, Provider],
    store: StateStore,
    lease: Lease,
    reporter: Reporter,
    interrupt: Interrupt,
) -> None:
    """Polls operations that an earlier run left in progress until each is over, and takes their handles out of the
    journal. The intents stay: the next plan reads what came of them.

    Raises: ProviderError when a provider cannot be asked; StateError.
    """
    units: dict[str, list[Intent]] = {}
    for intent in handles.values():
        units.setdefault(intent.handle, []).append(intent)
    for handle, intents in units.items():
        reporter.waiting(f"{intents[0].unit}: an operation of an earlier run is still in progress")
        provider = providers[intents[0].provider]
        answer = provider.poll(json.loads(handle), reporter.progress)
        while isinstance(answer, InProgress) and not interrupt.count:
            _pause(answer.retry_after_s, interrupt, lambda: store.renew(lease))
            answer = provider.poll(answer.handle, reporter.progress)
        if isinstance(answer, Done):
            over = tuple(replace(intent, handle="") for intent in intents)
            store.write(lease, StateWrite(put_intents=over))


def _pause(seconds: float, interrupt: Interrupt, each: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not interrupt.count:
        time.sleep(min(left, _RENEW_EVERY_S))
        each()
