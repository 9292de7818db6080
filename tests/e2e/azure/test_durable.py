"""Operations outlive the process that started them: the next one only needs the handle, whatever happens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.azure.azurite import RunningAzurite
from support.azure.projects import CloudProject, cloud_project
from support.azure.world import AzureWorld
from support.estates import Document, definition, gallery, version

from reconciler.applying.apply import ApplyResult, apply_plan
from reconciler.applying.context import ApplyContext
from reconciler.engine import Engine
from reconciler.errors import Unreachable
from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.ownership import owner_of, writer_of
from reconciler.planning.plan import PlanOptions
from reconciler.providers.emulator.core.clock import ManualClock
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.http.admin import set_faults
from reconciler.providers.errors import ProviderError
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, Done, InProgress, Operation, Provider, Step, Verb
from reconciler.testing import operations

LINEAGE = "lineage-1"
VERSION = Address("corp", "ubuntu", "1.0.0")
EAST, WEST = (VERSION._replace(region=region) for region in ("eastus", "westus"))
REPLICA = {"replicas": 1, "excludeFromLatest": False}
SLOW = 0.0025


@pytest.fixture
def project(tmp_path: Path, azurite: RunningAzurite) -> Iterator[CloudProject]:
    with cloud_project(tmp_path / "project", azurite) as found:
        yield found


def documents(project: CloudProject, *regions: str) -> list[Document]:
    """A gallery, a definition, and a version of an image file in these regions, or none."""
    source = project.world.image("boot.raw", b"content".ljust(1 << 20, b"\1"))
    made = version({"file": f"../{source['file']}"}, targetRegions=list(regions))
    return [gallery(), definition(), *([made] if regions else [])]


def planned(project: CloudProject) -> Operation:
    """The operation on the version that results from the plan."""
    changes = project.plan().changes
    steps = tuple(
        Step(Verb(change.action.value), change.address, dict(change.planned_attributes))
        for change in changes
        if change.address.version
    )
    (own,) = (step for step in steps if step.address == VERSION)
    with Engine(project.folder) as engine:
        return Operation(VERSION, Writer(owner_of(engine.state())), steps, own.planned)


def unheard(address: Address, done: int, total: int) -> None:
    """Progress that is ignored."""


class Relay:
    """Each step of an operation in a provider of its own; between them only JSON, and `meanwhile`."""

    def __init__(self, world: AzureWorld, meanwhile: Callable[[int], None] = lambda _: None) -> None:
        self._world, self._meanwhile = world, meanwhile
        self.handles: list[dict[str, Any]] = []

    def run(self, operation: Operation) -> Done:
        answer = self._once(lambda provider: provider.begin(operation, unheard))
        while isinstance(answer, InProgress):
            assert len(self.handles) < 100
            handle = json.loads(json.dumps(answer.handle))
            self.handles.append(handle)
            self._meanwhile(len(self.handles))
            answer = self._once(lambda provider, handle=handle: provider.poll(handle, operation.writer, unheard))  # type: ignore[misc]
        return answer

    def _once(self, call: Callable[[Provider], Done | InProgress]) -> Done | InProgress:
        return call(self._world.provider())


def paced(world: AzureWorld) -> ManualClock:
    """Makes operations take as long as on the real service, with a clock that only advances on demand."""
    clock = ManualClock(time.time())
    world.emulator.service.clock = clock
    world.set_time_scale(1)
    return clock


def test_every_step_can_be_another_process(project: CloudProject) -> None:
    project.apply_until_done(*documents(project))
    project.write(*documents(project, "eastus", "westus"))
    operation = planned(project)
    clock = paced(project.world)
    relay = Relay(project.world, lambda _: clock.advance(100))
    done = relay.run(operation)
    assert len(relay.handles) > 3
    assert done.results.keys() == {VERSION, EAST, WEST}
    for step in operation.steps:
        result = done.results[step.address]
        assert isinstance(result, Applied)
        assert result.canonical == canonical_json(step.planned)
    assert not [one for one in project.world.objects() if one.startswith("staging")]
    secret = project.world.emulator.client_secret
    assert all(secret not in json.dumps(handle) for handle in relay.handles)


def test_an_operation_that_the_service_has_forgotten_is_settled_by_looking(project: CloudProject) -> None:
    project.apply_until_done(*documents(project))
    project.write(*documents(project, "eastus", "westus"))
    operation = planned(project)
    clock = paced(project.world)
    forgotten = Fault("error", "GET", "*/capsoperations/*", times=0, status=404, code="NotFound")
    set_faults(project.world.emulator.service, [forgotten])
    relay = Relay(project.world, lambda _: clock.advance(100))
    done = relay.run(operation)
    assert forgotten.seen
    assert all(isinstance(result, Applied) for result in done.results.values())
    assert len(relay.handles) > 3


def test_a_token_that_expires_while_waiting_is_renewed(project: CloudProject) -> None:
    project.apply_until_done(*documents(project))
    project.write(*documents(project, "eastus"))
    operation = planned(project)
    clock = paced(project.world)
    expiries: list[Fault] = []

    def expire(step: int) -> None:
        clock.advance(60)
        expiries.append(Fault("expire-token", "GET"))
        set_faults(project.world.emulator.service, expiries[-1:] if step % 2 else [])

    done = Relay(project.world, expire).run(operation)
    assert all(isinstance(result, Applied) for result in done.results.values())
    assert sum(expiry.spent for expiry in expiries) > 2


def apply_without_waiting(project: CloudProject) -> ApplyResult:
    """Starts what is planned, and leaves long operations in the journal."""
    with Engine(project.folder) as engine:
        plan = engine.plan(PlanOptions())
        state = engine.state()
        with engine.lease(plan.galleries) as lease:
            context = ApplyContext(
                store=engine.store,
                lease=lease,
                writer=writer_of(state, lease, lease.require),
                providers=engine.providers,
                records=state.records,
                run="run-1",
                started=engine.clock().isoformat(),
                wait=False,
            )
            return apply_plan(replace(plan, lineage=state.lineage), context)


def handles(project: CloudProject) -> set[str]:
    """The addresses in the journal whose operations are running."""
    with Engine(project.folder) as engine:
        return {str(address) for address, intent in engine.state().intents.items() if intent.handle}


def counted(world: AzureWorld, method: str) -> int:
    """How many requests with this method the service has received."""
    return sum(one["count"] for one in world.emulator.request_log.summary()["counts"] if one["method"] == method)


def test_what_is_left_to_the_journal_is_picked_up_by_the_next_apply(project: CloudProject) -> None:
    project.apply_until_done(*documents(project))
    project.write(*documents(project, "eastus", "westus"))
    project.world.set_time_scale(SLOW)
    assert apply_without_waiting(project).left == (VERSION,)
    assert handles(project) == {str(VERSION), str(EAST), str(WEST)}
    writes = counted(project.world, "PUT")
    project.apply_until_done()
    assert counted(project.world, "PUT") == writes
    assert handles(project) == set()
    assert len(project.world.copies(EAST)) == len(project.world.copies(WEST)) == 1
    assert not [one for one in project.world.objects() if one.startswith("staging")]


def with_patience(project: CloudProject, minutes: str) -> None:
    path = project.folder / "reconciler.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["provider"]["timeoutMinutes"] = minutes
    path.write_text(yaml.safe_dump(settings))


def test_what_sticks_is_given_up_and_goes_on_once_it_is_released(project: CloudProject) -> None:
    project.apply_until_done(*documents(project))
    project.write(*documents(project, "eastus", "westus"))
    with_patience(project, "0.03")
    set_faults(project.world.emulator.service, [Fault("stick", "PUT", "*/versions/*")])
    result = project.apply().result
    assert result is not None
    assert not result.complete
    assert {str(address) for address, _ in result.failed} == {str(VERSION), str(EAST), str(WEST)}
    for _, error in result.failed:
        assert isinstance(error, ProviderError)
        assert "is not done after" in error.message
        assert "timeoutMinutes" in error.remedy
    with pytest.raises(Unreachable, match="still working on it"):
        project.apply()
    assert [one for one in project.world.objects() if one.startswith("staging")]  # it may still be copied from
    set_faults(project.world.emulator.service, [])
    project.apply_until_done()
    assert len(project.world.copies(EAST)) == 1
    assert not [one for one in project.world.objects() if one.startswith("staging")]


def test_an_upload_that_was_cut_off_stays_for_a_version_that_is_still_declared(project: CloudProject) -> None:
    world = project.world
    world.leave_unfinished(EAST, LINEAGE)
    provider = world.provider()
    provider.tidy([EAST, VERSION], operations.writer_of(LINEAGE), {VERSION, EAST})
    assert any(name.startswith("staging") for name in world.objects())
    provider.tidy([EAST, VERSION], operations.writer_of(LINEAGE))
    assert world.objects() == []
