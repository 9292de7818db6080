"""Running operations: order of writes, failures, operations that go on alone, interrupts. With a provider in memory,
because none of the real ones can be told when to answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.worlds import CAPABILITIES, NOW, inputs_of

from reconciler.applying.apply import ApplyResult, apply_plan
from reconciler.applying.context import ApplyContext, Interrupt
from reconciler.applying.recovery import RecoveryContext, recover
from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.planning.actions import Action
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.planning.sources import SourceCheck, SourceStatus
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ContractViolation, LeaseLost, ProviderError
from reconciler.providers.owner import Owner, Writer
from reconciler.providers.protocol import (
    Applied,
    Capabilities,
    Condition,
    Done,
    InProgress,
    Observed,
    Operation,
    ProgressCallback,
    Scan,
    Scope,
    SourceFacts,
    Step,
    Verb,
)
from reconciler.reporting import Reporter
from reconciler.state.opening import open_store
from reconciler.state.records import Intent
from reconciler.state.store import Lease, StateStore, StateWrite

V1 = "corp/ubuntu/1.0.0"
EAST, WEST = f"{V1}@eastus", f"{V1}@westus"
WORLD: dict[str, dict[str, Any]] = {"corp": {}, "corp/ubuntu": {}, V1: {}, EAST: {}, WEST: {}}


def applied(step: Step) -> Applied:
    return (
        Applied()
        if step.verb is Verb.DELETE
        else Applied(f"id:{step.address}", "f", canonical_json(step.planned or {}))
    )


@dataclass
class ScriptedProvider:
    """Does what `script` says for an address, and else succeeds; `polls` is how often an operation is in progress, and
    `busy` how many looks find everything still being worked on."""

    script: dict[str, Callable[[Step], Applied | ProviderError]] = field(default_factory=dict)
    raises: dict[str, Exception] = field(default_factory=dict)
    polls: int = 0
    busy: int = 0
    begun: list[str] = field(default_factory=list)
    polled: int = 0
    on_begin: Callable[[Operation], None] = lambda operation: None
    operations: dict[str, Operation] = field(default_factory=dict)
    tidied: list[str] = field(default_factory=list)

    def begin(self, operation: Operation, progress: ProgressCallback) -> Done | InProgress:
        self.begun.append(str(operation.unit))
        self.on_begin(operation)
        progress(operation.unit, 1, 2)
        if str(operation.unit) in self.raises:
            raise self.raises[str(operation.unit)]
        self.operations[str(operation.unit)] = operation
        return self._answer(str(operation.unit), self.polls)

    def poll(self, handle: Mapping[str, Any], writer: Writer, progress: ProgressCallback) -> Done | InProgress:
        self.polled += 1
        return self._answer(handle["unit"], handle["left"] - 1)

    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def scan(self, scope: Scope, progress: ProgressCallback | None = None) -> Scan:
        condition = Condition.BUSY if self.busy else Condition.READY
        self.busy -= self.busy > 0
        return Scan({one: Observed(one, f"id:{one}", None, "f", "{}", condition) for one in scope.wanted})

    def tidy(self, addresses: Sequence[Address], writer: Writer, declared: Collection[Address] = ()) -> None:
        self.tidied = [str(address) for address in addresses]

    def _answer(self, unit: str, left: int) -> Done | InProgress:
        if left > 0:
            return InProgress({"unit": unit, "left": left}, 0.01)
        steps = self.operations[unit].steps
        return Done({step.address: self.script.get(str(step.address), applied)(step) for step in steps})


WRITER = Writer(Owner("lineage-1"))


class RecordingReporter(Reporter):
    def __init__(self) -> None:
        self.events: list[str] = []

    def started(self, step: Step) -> None:
        self.events.append(f"started {step.address}")

    def finished(self, step: Step, seconds: float) -> None:
        self.events.append(f"finished {step.address}")

    def skipped(self, step: Step, because: Address) -> None:
        self.events.append(f"skipped {step.address} because of {because}")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    opened = open_store("sqlite:///state.db", "test", tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def lease(store: StateStore) -> Lease:
    return store.acquire(["corp"], "tester")


def run(store: StateStore, lease: Lease, provider: ScriptedProvider, **options: Any) -> ApplyResult:
    sources = options.pop("sources", None)
    inputs = inputs_of(options.pop("desired", WORLD), options.pop("recorded", {}), {}, sources=sources)
    started = options.pop("started", NOW.isoformat())
    providers: Any = {"default": provider}
    writer = options.pop("writer", WRITER)
    context = ApplyContext(store, lease, writer, providers, inputs.state.records, "run-1", started, **options)
    return apply_plan(make_plan(inputs), context)


def test_everything_is_done_in_order_and_recorded(store: StateStore, lease: Lease) -> None:
    provider = ScriptedProvider()
    result = run(store, lease, provider)
    assert result.complete
    assert result.done == {Action.CREATE: 5}
    assert provider.begun == ["corp", "corp/ubuntu", V1]
    state = store.read()
    assert {str(address) for address in state.records} == set(WORLD)
    assert not state.intents


def test_the_intent_is_durable_before_the_provider_is_called(store: StateStore, lease: Lease, tmp_path: Path) -> None:
    seen: list[set[str]] = []

    def look(operation: Operation) -> None:
        other = open_store("sqlite:///state.db", "test", tmp_path)
        seen.append({str(address) for address in other.read().intents})
        other.close()

    run(store, lease, ScriptedProvider(on_begin=look))
    assert seen == [{"corp"}, {"corp/ubuntu"}, {V1, EAST, WEST}]


def test_a_failed_region_leaves_the_others_done(store: StateStore, lease: Lease) -> None:
    provider = ScriptedProvider(script={WEST: lambda step: ProviderError("no space left")})
    result = run(store, lease, provider)
    assert [str(address) for address, _ in result.failed] == [WEST]
    state = store.read()
    assert {str(address) for address in state.records} == set(WORLD) - {WEST}
    assert {str(address) for address in state.intents} == {WEST}


def test_descendants_are_skipped_naming_the_root_cause_and_others_go_on(store: StateStore, lease: Lease) -> None:
    """corp -> (ubuntu -> 1.0.0 -> regions, debian)"""
    provider = ScriptedProvider(raises={"corp/ubuntu": ProviderError("refused")})
    reporter = RecordingReporter()
    result = run(store, lease, provider, desired={**WORLD, "corp/debian": {}}, reporter=reporter)
    assert {str(address) for address, _ in result.skipped} == {V1, EAST, WEST}
    assert {str(root) for _, root in result.skipped} == {"corp/ubuntu"}
    assert f"skipped {V1} because of corp/ubuntu" in reporter.events
    assert "corp/debian" in {str(address) for address in store.read().records}
    assert V1 not in provider.begun


def test_what_is_built_from_a_version_waits_for_its_home_region_only(store: StateStore, lease: Lease) -> None:
    built = "corp/ubuntu/2.0.0"
    desired = {**WORLD, built: {"source": {"version": V1}}, f"{built}@eastus": {}}
    away = ScriptedProvider(script={WEST: lambda step: ProviderError("x")})
    run(store, lease, away, desired=desired)
    assert built in {str(address) for address in store.read().records}
    home = ScriptedProvider(script={EAST: lambda step: ProviderError("x")})
    assert built in {str(address) for address, _ in run(store, lease, home, desired=desired).skipped}


NEXT = "corp/ubuntu/1.1.0"
BUMP: dict[str, dict[str, Any]] = {
    "corp": {}, "corp/ubuntu": {}, NEXT: {}, f"{NEXT}@eastus": {}, f"{NEXT}@westus": {}, f"{NEXT}@northeurope": {},
}  # fmt: skip


def bump(
    store: StateStore, lease: Lease, provider: ScriptedProvider, recorded: dict[str, dict[str, Any]] = WORLD
) -> ApplyResult:
    """Applies the step from 1.0.0 to 1.1.0, with consent."""
    run(store, lease, ScriptedProvider(), desired=recorded)
    inputs = inputs_of(BUMP, recorded, options=PlanOptions(allow_loss=("corp",)))
    providers: Any = {"default": provider}
    context = ApplyContext(store, lease, WRITER, providers, inputs.state.records, "run-2", NOW.isoformat())
    return apply_plan(make_plan(inputs), context)


def test_a_version_is_retired_after_its_successor_is_published(store: StateStore, lease: Lease) -> None:
    provider = ScriptedProvider()
    result = bump(store, lease, provider)
    assert result.complete
    assert provider.begun == [NEXT, V1]


@pytest.mark.parametrize("failed", [NEXT, f"{NEXT}@eastus", f"{NEXT}@westus"])
def test_a_version_stays_when_its_successor_fails_where_it_was(store: StateStore, lease: Lease, failed: str) -> None:
    provider = ScriptedProvider(script={failed: lambda step: ProviderError("no space left")})
    result = bump(store, lease, provider)
    assert provider.begun == [NEXT]
    assert {str(address) for address, _ in result.skipped} == {V1, EAST, WEST}
    assert {str(because) for _, because in result.skipped} == {failed}
    assert {V1, EAST, WEST} <= {str(address) for address in store.read().records}


def test_a_version_goes_when_its_successor_fails_elsewhere(store: StateStore, lease: Lease) -> None:
    provider = ScriptedProvider(script={f"{NEXT}@northeurope": lambda step: ProviderError("no space left")})
    result = bump(store, lease, provider)
    assert provider.begun == [NEXT, V1]
    assert not result.skipped


def test_latest_that_is_not_as_planned_is_reported(store: StateStore, lease: Lease) -> None:
    provider = ScriptedProvider(raises={NEXT: ProviderError("refused")})
    result = bump(store, lease, provider)
    assert [(missed.region, missed.planned, missed.found) for missed in result.latest] == [
        ("eastus", "1.1.0", "1.0.0"),
        ("northeurope", "1.1.0", None),
        ("westus", "1.1.0", "1.0.0"),
    ]
    assert not result.complete


def test_a_provider_that_raises_anything_fails_its_own_operation(store: StateStore, lease: Lease) -> None:
    result = run(store, lease, ScriptedProvider(raises={"corp": KeyError("oops")}))
    ((address, error),) = result.failed
    assert str(address) == "corp"
    assert "This is a bug" in error.message
    assert len(result.skipped) == 4


def test_a_provider_that_makes_something_else_is_caught(store: StateStore, lease: Lease) -> None:
    provider = ScriptedProvider(script={"corp": lambda step: Applied("id", "f", '{"location":"mars"}')})
    ((_, error),) = run(store, lease, provider).failed
    assert isinstance(error, ContractViolation)
    assert "location" in error.message
    assert "corp" in {str(address) for address in store.read().intents}


def test_a_provider_that_publishes_other_content_is_caught(store: StateStore, lease: Lease) -> None:
    def published(step: Step) -> Applied:
        computed = canonical_json({"disks": {"os": {"sha256": "bb" * 32}}})
        return Applied("id", "f", canonical_json(step.planned or {}), computed)

    check = SourceCheck(SourceStatus.NEW, SourceFacts(512, 512, "raw", "id-1"), digest=ContentDigest(plain="aa" * 32))
    result = run(store, lease, ScriptedProvider(script={V1: published}), sources={V1: {"os": check}})
    error = dict(result.failed)[Address.parse(V1)]
    assert isinstance(error, ContractViolation)
    assert "bb" * 32 in error.message
    assert Address.parse(V1) not in store.read().records


def test_a_provider_that_forgets_a_step_is_caught(store: StateStore, lease: Lease) -> None:
    class Forgetful(ScriptedProvider):
        def begin(self, operation: Operation, progress: ProgressCallback) -> Done | InProgress:
            return Done({})

    ((_, error),) = run(store, lease, Forgetful()).failed
    assert "no result" in error.message


def test_waiting_holds_no_worker(store: StateStore, lease: Lease) -> None:
    desired: dict[str, dict[str, Any]] = {f"corp/d{number}": {} for number in range(20)}
    provider = ScriptedProvider(polls=3)
    result = run(store, lease, provider, desired=desired, parallelism=1)
    assert result.done == {Action.CREATE: 20}
    assert provider.polled == 60
    assert provider.begun == sorted(provider.begun)


def test_handles_are_in_the_journal_and_a_later_run_recovers_them(store: StateStore, lease: Lease) -> None:
    provider = ScriptedProvider(polls=2)
    result = run(store, lease, provider, desired={"corp": {}}, wait=False)
    assert [str(unit) for unit in result.left] == ["corp"]
    intents = store.read().intents
    assert intents[Address("corp")].handle == '{"left":2,"unit":"corp"}'
    recover(store.read(), RecoveryContext(store, lease, WRITER, {"default": provider}, Reporter(), Interrupt()))  # type: ignore[dict-item]
    assert store.read().intents[Address("corp")].handle == ""
    assert provider.polled == 2
    assert provider.tidied == ["corp"]


def test_what_was_started_without_a_handle_is_waited_for_before_it_is_tidied(store: StateStore, lease: Lease) -> None:
    class Watching(ScriptedProvider):
        def tidy(self, addresses: Sequence[Address], writer: Writer, declared: Collection[Address] = ()) -> None:
            assert not self.busy
            super().tidy(addresses, writer)

    provider = Watching(busy=2, raises={"corp": ProviderError("cut off")})
    run(store, lease, provider, desired={"corp": {}})
    recover(store.read(), RecoveryContext(store, lease, WRITER, {"default": provider}, Reporter(), Interrupt()))  # type: ignore[dict-item]
    assert provider.tidied == ["corp"]


def test_what_takes_longer_than_an_operation_may_is_not_waited_for(store: StateStore, lease: Lease) -> None:
    provider = ScriptedProvider(busy=2, raises={"corp": ProviderError("cut off")})
    run(store, lease, provider, desired={"corp": {}}, started="2020-01-01T00:00:00+00:00")
    recover(store.read(), RecoveryContext(store, lease, WRITER, {"default": provider}, Reporter(), Interrupt()))  # type: ignore[dict-item]
    assert provider.busy == 1


def test_a_step_that_failed_leaves_its_intent_and_nothing_to_ask_for(store: StateStore, lease: Lease) -> None:
    provider = ScriptedProvider(polls=2, script={WEST: lambda step: ProviderError("no room")})
    assert not run(store, lease, provider).complete
    ((address, intent),) = store.read().intents.items()
    assert (str(address), intent.handle) == (WEST, "")


def test_first_interrupt_finishes_what_runs_and_starts_nothing(store: StateStore, lease: Lease) -> None:
    interrupt = Interrupt()
    provider = ScriptedProvider(on_begin=lambda operation: interrupt())
    result = run(store, lease, provider, interrupt=interrupt)
    assert result.interrupted
    assert not result.complete
    assert [str(unit) for unit in result.not_started] == ["corp/ubuntu", V1]
    assert provider.begun == ["corp"]
    assert {str(address) for address in store.read().records} == {"corp"}


def test_second_interrupt_leaves_what_runs_to_the_journal(store: StateStore, lease: Lease) -> None:
    interrupt, release = Interrupt(), threading.Event()

    def hang(operation: Operation) -> None:
        interrupt()
        interrupt()
        release.wait(10)

    result = run(store, lease, ScriptedProvider(on_begin=hang), interrupt=interrupt)
    release.set()
    assert [str(unit) for unit in result.left] == ["corp"]
    assert {str(address) for address in store.read().intents} == {"corp"}


def test_a_raising_reporter_does_not_stop_the_run(
    store: StateStore, lease: Lease, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Reporter):
        def started(self, step: Step) -> None:
            raise RuntimeError("broken pipe")

    assert run(store, lease, ScriptedProvider(), reporter=Broken()).complete
    assert "the reporter failed in started" in caplog.text


def test_an_operation_that_continues_at_its_provider_is_reported_once(store: StateStore, lease: Lease) -> None:
    class Watching(RecordingReporter):
        def in_progress(self, step: Step) -> None:
            self.events.append(f"in progress {step.address}")

    reporter = Watching()
    assert run(store, lease, ScriptedProvider(polls=3), desired={"corp": {}}, reporter=reporter).complete
    assert reporter.events == ["started corp", "in progress corp", "finished corp"]


def test_independent_operations_run_at_the_same_time(store: StateStore, lease: Lease) -> None:
    together = threading.Barrier(3, timeout=10)

    def meet(_: Operation) -> None:
        together.wait()

    provider = ScriptedProvider(on_begin=meet)
    desired: dict[str, dict[str, Any]] = {f"corp/d{number}": {} for number in range(3)}
    assert run(store, lease, provider, desired=desired, parallelism=3).complete


@dataclass
class Thief:
    """Takes over the lease of a run, which was just about to expire."""

    folder: Path
    store: StateStore

    def lease(self) -> Lease:
        return self.store.acquire(["corp"], "tester", ttl_s=0.01)

    def steal(self) -> None:
        time.sleep(0.05)
        other = open_store("sqlite:///state.db", "test", self.folder)
        other.acquire(["corp"], "somebody else")
        other.close()


@pytest.fixture
def thief(tmp_path: Path, store: StateStore) -> Thief:
    return Thief(tmp_path, store)


def test_a_run_that_cannot_write_any_more_starts_nothing(store: StateStore, thief: Thief) -> None:
    provider = ScriptedProvider()
    lease = thief.lease()
    thief.steal()
    with pytest.raises(LeaseLost, match=r"'corp' was lost .* Before that, no changes were made and recorded$"):
        run(store, lease, provider)
    assert provider.begun == []


def losing_writer(after: int) -> Writer:
    """A run that finds its lease lost when its operations have asked for it `after` times."""
    left = [after]

    def require() -> None:
        if threading.current_thread() is not threading.main_thread():
            left[0] -= 1
        if left[0] < 0:
            raise LeaseLost("the lease on 'corp' was lost to another run", "Run the command again.")

    return Writer(WRITER.owner, 1, require)


def test_queued_operations_are_dropped_and_what_is_said_is_so(store: StateStore, lease: Lease) -> None:
    writer = losing_writer(7)
    provider = ScriptedProvider(on_begin=lambda operation: writer.require_lease())
    desired: dict[str, dict[str, Any]] = {"corp": {}, **{f"corp/d{number:02}": {} for number in range(20)}}
    with pytest.raises(LeaseLost) as caught:
        run(store, lease, provider, desired=desired, parallelism=1, writer=writer)
    assert caught.value.message == (
        "the lease on 'corp' was lost to another run. Before that, 3 changes were made and recorded; "
        "the journal holds what was in progress: corp/d02"
    )
    assert {str(address) for address in store.read().records} == {"corp", "corp/d00", "corp/d01"}
    assert provider.begun == ["corp", "corp/d00", "corp/d01", "corp/d02"]


def test_recovery_ends_with_a_lost_lease(store: StateStore, lease: Lease) -> None:
    provider = ScriptedProvider(busy=9, raises={"corp": ProviderError("cut off")})
    run(store, lease, provider, desired={"corp": {}})

    def require() -> None:
        raise LeaseLost("the lease on 'corp' was lost to another run", "")

    writer = Writer(WRITER.owner, 1, require)
    with pytest.raises(LeaseLost):
        recover(store.read(), RecoveryContext(store, lease, writer, {"default": provider}, Reporter(), Interrupt()))  # type: ignore[dict-item]
    assert provider.tidied == []


def test_an_interrupt_when_everything_is_done_interrupts_nothing(store: StateStore, lease: Lease) -> None:
    interrupt = Interrupt()
    provider = ScriptedProvider(on_begin=lambda operation: interrupt() if operation.unit.version else None)
    result = run(store, lease, provider, interrupt=interrupt)
    assert result.complete
    assert not result.interrupted
    assert interrupt.count == 1


def test_state_writes_cost_the_change(store: StateStore, lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    original = store.write

    def count(held: Lease, change: StateWrite) -> int:
        written.append(len(change.put_records) + len(change.put_intents) + len(change.clear_intents))
        return original(held, change)

    monkeypatch.setattr(store, "write", count)
    run(store, lease, ScriptedProvider(), desired={f"corp/d{number}": {} for number in range(50)})
    assert sum(written) == 50 * 3


def test_intents_name_their_run(store: StateStore, lease: Lease) -> None:
    seen: list[Intent] = []
    run(store, lease, ScriptedProvider(on_begin=lambda operation: seen.extend(store.read().intents.values())))
    assert {intent.run for intent in seen} == {"run-1"}


def test_a_run_that_was_stopped_before_it_began_leaves_the_journal_as_it_is(store: StateStore, lease: Lease) -> None:
    """Recovery did not tidy then: only the journal says what an earlier run has left."""
    recorded: dict[str, dict[str, Any]] = {"corp": {}}
    inputs = inputs_of({"corp": {"$lifecycle": {"onRemove": "retain"}}}, recorded)
    corp = Address.parse("corp")
    left = Intent(corp, corp, "default", "update", "{}", "d", "run-0", NOW.isoformat())
    store.write(lease, StateWrite(put_records=tuple(inputs.state.records.values()), put_intents=(left,)))
    before = store.read()
    interrupt = Interrupt()
    interrupt()
    context = ApplyContext(
        store, lease, WRITER, {}, inputs.state.records, "run-1", NOW.isoformat(), interrupt=interrupt
    )
    plan = make_plan(inputs)
    assert [change.action for change in plan.changes] == [Action.RECORD]
    result = apply_plan(plan, context)
    assert (result.interrupted, result.complete, result.not_started) == (True, False, (corp,))
    assert store.read() == before
