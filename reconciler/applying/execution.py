"""`Execution`: one thread that tracks which operations are ready, running and waiting, and records their results.

Each turn of the loop collects all answers, commits them together with the intents of what starts next, and only then
hands that to the workers: many small operations share a commit, and none starts before its intent is durable.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

from reconciler.applying.context import ApplyContext
from reconciler.applying.operations import OperationKey, PlannedOperation, with_address
from reconciler.applying.ordering import OperationGraph, held_back_by
from reconciler.applying.running import Running
from reconciler.applying.step_results import StepResult, answer_of, results_of, state_write
from reconciler.graph import Edge
from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.planning.actions import Action
from reconciler.providers.errors import LeaseLost
from reconciler.providers.protocol import Done, InProgress, Step
from reconciler.reporting import SafeReporter
from reconciler.state.errors import StaleWrite
from reconciler.state.records import Intent

_TICK_S = 0.2
_GATHER_S = 0.02
_AHEAD = 4


Answer = tuple[OperationKey, "Future[Done | InProgress]"]


class Execution:
    """One run over a graph of operations. Afterwards `done`, `failed`, `skipped` (address -> the address that failed),
    `left` (units whose operations continue, or ended without a record) and `not_started` say how it ended, and
    `recorded` how many changes are done and recorded."""

    def __init__(
        self, planned: Mapping[OperationKey, PlannedOperation], graph: OperationGraph, context: ApplyContext
    ) -> None:
        self.done: dict[Action, int] = {}
        self.removed: list[str] = []
        self.failed: dict[Address, ReconcilerError] = {}
        self.skipped: dict[Address, Address] = {}
        self.left: set[Address] = set()
        self.not_started = set(planned)
        self.recorded = 0
        self._planned = planned
        self._graph = graph
        self._context = context
        self._reporter = SafeReporter(context.reporter)
        self._waits_for = {key: graph.waits_for(key) for key in planned}
        self._ready = [(key.sort_key, key) for key in graph.order() if not self._waits_for[key]]
        heapq.heapify(self._ready)
        self._running: dict[OperationKey, Running] = {}
        self._due: list[tuple[float, tuple[object, ...], OperationKey]] = []
        self._answers: SimpleQueue[Answer | None] = SimpleQueue()
        self._progress: dict[Address, tuple[int, int]] = {}
        self._lost: LeaseLost | None = None
        self._interrupt_reported = False

    def run(self) -> None:
        """Runs until nothing is left to do or to wait for.

        Raises: StateError when the state cannot be written; LeaseLost when another run has taken over.
        """
        pool = ThreadPoolExecutor(self._context.parallelism, thread_name_prefix="apply")
        self._context.interrupt.wake = lambda: self._answers.put(None)
        try:
            while self._turn(pool):
                self._wait()
        finally:
            self.left |= {key.unit for key in self._running}
            pool.shutdown(wait=self._context.interrupt.count < 2, cancel_futures=True)

    def _turn(self, pool: ThreadPoolExecutor) -> bool:
        """One turn of the loop; returns whether operations are still running that should be waited for."""
        over, intents = self._collect()
        withdrawn = self._withdraw() if self._context.interrupt.count else []
        starting = self._next_to_start()
        intents += [self._intent(planned, step) for planned in starting for step in planned.operation.steps]
        self._record([result for result, _ in over], intents, withdrawn)
        for result, seconds in over:
            self._report(result, seconds)
        if self._lost is not None:
            self._withdraw()
            raise self._lost
        for planned in starting:
            self._start(pool, planned)
        self._poll_due(pool)
        if self._context.interrupt.count and not self._interrupt_reported:
            self._reporter.interrupted(len(self._running))
            self._interrupt_reported = True
        return bool(self._running) and self._context.interrupt.count < 2

    def _record(self, over: list[StepResult], intents: list[Intent], withdrawn: list[Address]) -> None:
        """Commits results together with intents. Raises: StateError; LeaseLost."""
        write = state_write(over, intents, withdrawn, self._context.run)
        if not write:
            return
        try:
            self._context.store.write(self._context.lease, write)
        except StaleWrite as error:
            self._withdraw()
            self.left |= {result.change.address.unit for result in over}
            raise LeaseLost(error.message, error.remedy) from error
        self.recorded += sum(result.error is None and result.completes_change for result in over)

    def _wait(self) -> None:
        """Waits until an answer comes back, a poll is due, or the tick is over."""
        timeout = min(_TICK_S, max(0.0, self._due[0][0] - time.monotonic())) if self._due else _TICK_S
        try:
            answer = self._answers.get(timeout=timeout)
        except Empty:
            answer = None
        if answer is not None:
            self._answers.put(answer)
            self._gather()
        while self._progress:
            name, (done, total) = self._progress.popitem()
            self._reporter.progress(name, done, total)

    def _gather(self) -> None:
        """Waits for more answers while the workers have enough to do, so that they share a commit."""
        until = time.monotonic() + _GATHER_S
        while self._busy() - self._answers.qsize() > self._context.parallelism and time.monotonic() < until:
            time.sleep(_GATHER_S / 10)

    def _busy(self) -> int:
        """How many operations occupy a worker or wait for one."""
        return sum(running.handle is None for running in self._running.values())

    def _withdraw(self) -> list[Address]:
        """Withdraws operations that no worker has started; returns the addresses whose intents are to be cleared."""
        addresses: list[Address] = []
        for key, running in list(self._running.items()):
            if running.future is not None and running.future.cancel():
                del self._running[key]
                self.not_started.add(key)
                addresses += [change.address for change in running.planned.changes.values()]
        return addresses

    def _collect(self) -> tuple[list[tuple[StepResult, float]], list[Intent]]:
        """All new results, with the seconds they took, and the intents of operations that continue at a provider."""
        over: list[tuple[StepResult, float]] = []
        intents: list[Intent] = []
        while not self._answers.empty():
            item = self._answers.get()
            if item is None:
                continue
            key, future = item
            if future.cancelled():
                continue
            running = self._running[key]
            running.future = None
            answer = answer_of(future)
            if isinstance(answer, LeaseLost):
                self._lose(key, answer)
                continue
            seconds = time.monotonic() - running.since
            for result in list(results_of(running.planned.provider, running.open, running.planned.changes, answer)):
                over.append((result, seconds))
                self._note_result(running, result)
            if isinstance(answer, InProgress) and running.open:
                intents += self._leave_to_provider(key, running, answer)
            else:
                del self._running[key]
                intents += self._without_handle(running)
                self._release_followers(key, running)
        return over, intents

    def _lose(self, key: OperationKey, error: LeaseLost) -> None:
        self._lost = error
        if not self._running[key].called:
            del self._running[key]
            self.not_started.add(key)

    def _note_result(self, running: Running, result: StepResult) -> None:
        del running.open[result.step.address]
        change = result.change
        if result.error is not None:
            self.failed[change.address] = result.error
            running.failed_steps.append(result.step)
            running.failed |= running.needs(change.address)
        elif result.completes_change:
            self.done[change.action] = self.done.get(change.action, 0) + 1
            self.removed += result.applied.removed if result.applied else ()

    def _leave_to_provider(self, key: OperationKey, running: Running, answer: InProgress) -> list[Intent]:
        """Queues an operation to be polled, or leaves it to a later run; returns its intents, now with its handle."""
        if running.handle is None:
            for step in running.open.values():
                self._reporter.in_progress(running.planned.named(step))
        running.handle = answer.handle
        if self._context.wait:
            heapq.heappush(self._due, (time.monotonic() + answer.retry_after_s, key.sort_key, key))
        else:
            del self._running[key]
            self.left.add(key.unit)
            self._skip_followers(key, key.unit)
        return [self._intent(running.planned, step, answer.handle) for step in running.open.values()]

    def _without_handle(self, running: Running) -> list[Intent]:
        """The intents of failed steps, without their handle: the operation is over and can no longer be polled."""
        if running.handle is None:
            return []
        return [self._intent(running.planned, step) for step in running.failed_steps]

    def _release_followers(self, key: OperationKey, running: Running) -> None:
        if running.failed:
            addresses = [change.address for change in running.planned.changes.values()]
            self._skip_followers(key, next(address for address in addresses if address in self.failed))
            return
        for follower in self._graph.following(key):
            retires = self._graph.edge(key, follower) is Edge.RETIRES
            if retires and (step := held_back_by(running.failed_steps, self._planned[follower])):
                self._skip([follower, *self._graph.descendants(follower)], running.planned.address(step))
                continue
            self._waits_for[follower] -= 1
            if not self._waits_for[follower]:
                heapq.heappush(self._ready, (follower.sort_key, follower))

    def _skip_followers(self, key: OperationKey, root: Address) -> None:
        """Marks everything that waits for `key`, directly or not: it can never be ready, as `key` does not finish."""
        self._skip(self._graph.descendants(key), root)

    def _skip(self, keys: Iterable[OperationKey], root: Address) -> None:
        for follower in keys:
            self.not_started.discard(follower)
            planned = self._planned[follower]
            for step in planned.operation.steps:
                address = planned.address(step)
                if address not in self.skipped:
                    self.skipped[address] = root
                    self._reporter.skipped(planned.named(step), root)

    def _next_to_start(self) -> list[PlannedOperation]:
        """Ready operations, more than there are workers, so that no worker has to wait for a commit."""
        room = _AHEAD * self._context.parallelism - self._busy()
        starting: list[PlannedOperation] = []
        while self._may_start() and self._ready and len(starting) < room:
            starting.append(self._planned[heapq.heappop(self._ready)[1]])
        return starting

    def _may_start(self) -> bool:
        """Whether no stop was requested, and the lease is still held."""
        try:
            self._context.writer.require_lease()
        except LeaseLost as error:
            self._lost = error
        return self._lost is None and not self._context.interrupt.count

    def _start(self, pool: ThreadPoolExecutor, planned: PlannedOperation) -> None:
        steps = {step.address: step for step in planned.operation.steps}
        self._running[planned.key] = Running(planned, time.monotonic(), steps)
        self.not_started.discard(planned.key)
        for step in planned.operation.steps:
            self._reporter.started(planned.named(step))
        self._call(pool, planned.key, self._context.providers[planned.provider].begin, planned.operation)

    def _poll_due(self, pool: ThreadPoolExecutor) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            key = heapq.heappop(self._due)[2]
            running = self._running[key]
            poll = self._context.providers[running.planned.provider].poll
            self._call(pool, key, poll, running.handle, self._context.writer)

    def _call(
        self, pool: ThreadPoolExecutor, key: OperationKey, call: Callable[..., Done | InProgress], *arguments: Any
    ) -> None:
        """Has a worker call the provider, unless the lease is lost by the time that it comes to it."""
        running = self._running[key]
        running.future = future = pool.submit(
            running.under, self._context.writer, call, *arguments, self._note_progress
        )
        future.add_done_callback(lambda over: self._answers.put((key, over)))

    def _note_progress(self, name: Address, done: int, total: int) -> None:
        self._progress[name] = (done, total)

    def _report(self, result: StepResult, seconds: float) -> None:
        step = with_address(result.step, result.change.address)
        if result.error is None:
            self._reporter.finished(step, seconds)
        else:
            self._reporter.failed(step, result.error)

    def _intent(self, planned: PlannedOperation, step: Step, handle: Mapping[str, Any] | None = None) -> Intent:
        return planned.intent(step, self._context.run, self._context.started, handle)
