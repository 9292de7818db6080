"""Others write to the versions that we write to: no region is lost unnoticed, theirs or ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ResourceExistsError
from azure.mgmt.compute import ComputeManagementClient
from support.azure.azurite import RunningAzurite
from support.azure.projects import CloudProject, cloud_project
from support.azure.world import COMPUTE_ID, GROUP, SUBSCRIPTION, AzureWorld
from support.estates import Document, definition, gallery, version

from reconciler.applying.context import Interrupt
from reconciler.drift.report import DriftKind, DriftSeverity
from reconciler.engine import Engine
from reconciler.manifests.address import Address
from reconciler.ownership import owner_of
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.http.admin import set_faults
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.owner import Owner, Writer
from reconciler.providers.protocol import Applied, Done, InProgress, Operation, Step, Verb

VERSION = Address("corp", "ubuntu", "1.0.0")
VERSION_ID = f"{COMPUTE_ID}/galleries/corp/images/ubuntu/versions/1.0.0"
REMOVABLE = {"allowDeletionOfReplicatedLocations": True}
REPLICA = {"replicas": 1, "excludeFromLatest": False}
SLOW = 0.0025
LATER = 1 << 40
"""A fence that no run of these tests has."""

THEIRS = "uksouth"


@pytest.fixture
def project(tmp_path: Path, azurite: RunningAzurite) -> Iterator[CloudProject]:
    with cloud_project(tmp_path / "project", azurite) as found:
        yield found


def documents(project: CloudProject, *regions: str, **more: Any) -> list[Document]:
    source = project.world.image("boot.raw", b"content".ljust(1 << 20, b"\1"))
    return [gallery(), definition(), version({"file": f"../{source['file']}"}, targetRegions=list(regions), **more)]


def regions(world: AzureWorld) -> set[str]:
    """The target regions that the service shows, by their canonical names."""
    entries = world.call("GET", VERSION_ID)["properties"]["publishingProfile"]["targetRegions"]
    return {entry["name"].replace(" ", "").lower() for entry in entries}


def set_regions(world: AzureWorld, *names: str) -> None:
    """A write by another client."""
    wanted = [{"name": name} for name in names]
    world.call("PATCH", VERSION_ID, {"properties": {"publishingProfile": {"targetRegions": wanted}}})


def edited(world: AzureWorld, *names: str) -> Fault:
    """Another client sets the target regions right before our next write is handled, and so after our read."""
    fault = Fault("edit-regions", "PUT", "*/versions/*", regions=names)
    set_faults(world.emulator.service, [fault])
    return fault


def test_a_region_of_ours_that_somebody_removed_is_reported_and_put_back(project: CloudProject) -> None:
    everywhere = documents(project, "eastus", "westus", safety=REMOVABLE)
    project.apply_until_done(*everywhere)
    set_regions(project.world, "eastus")
    (drift,) = project.drift().drifts
    assert (str(drift.address), drift.kind) == (f"{VERSION}@westus", DriftKind.MISSING)
    assert drift.severity is DriftSeverity.CRITICAL
    assert project.apply_until_done(*everywhere) == {f"{VERSION}@westus": "create"}
    assert regions(project.world) == {"eastus", "westus"}
    assert project.drift().drifts == ()


def test_a_region_of_ours_that_goes_between_our_look_and_our_write_is_put_back(project: CloudProject) -> None:
    project.apply_until_done(*documents(project, "eastus", "westus", safety=REMOVABLE))
    fault = edited(project.world, "eastus")
    project.apply_until_done(*documents(project, "eastus", "westus", "northeurope", safety=REMOVABLE))
    assert fault.spent
    assert regions(project.world) == {"eastus", "westus", "northeurope"}
    assert all(project.world.copies(VERSION._replace(region=name)) for name in regions(project.world))


def test_a_region_that_others_add_between_our_look_and_our_write_stays(project: CloudProject) -> None:
    """Where regions may not be removed, which is the default, the service refuses a write that would do it."""
    project.apply_until_done(*documents(project, "eastus", "westus"))
    fault = edited(project.world, "eastus", "westus", THEIRS)
    project.apply_until_done(*documents(project, "eastus", "westus", "northeurope", tags={"owner": "ada"}))
    assert fault.spent
    assert regions(project.world) == {"eastus", "westus", "northeurope", THEIRS}
    assert [str(one.address) for one in project.drift().unmanaged] == [f"{VERSION}@{THEIRS}"]


def test_a_region_that_others_added_before_our_look_stays_whatever_we_write(project: CloudProject) -> None:
    project.apply_until_done(*documents(project, "eastus", "westus", safety=REMOVABLE))
    project.world.add_region(VERSION, THEIRS)
    project.apply_until_done(*documents(project, "eastus=2", "northeurope", safety=REMOVABLE, tags={"owner": "ada"}))
    assert regions(project.world) == {"eastus", "northeurope", THEIRS}


def operation(project: CloudProject, lineage: str, *regions: str, verb: Verb = Verb.CREATE) -> Operation:
    """The version, as planned for these regions, created from a separate state."""
    changes = {change.address: dict(change.planned_attributes) for change in project.plan().changes}
    steps = [Step(verb, VERSION, changes[VERSION])]
    steps += [Step(Verb.CREATE, VERSION._replace(region=name), REPLICA) for name in regions]
    return Operation(VERSION, Writer(Owner(lineage)), tuple(steps), changes[VERSION])


def unheard(address: Address, done: int, total: int) -> None:
    """Progress that is ignored."""


def carry_out(world: AzureWorld, wanted: Operation) -> Done:
    """A whole operation, by a provider of its own."""
    provider = world.provider()
    answer = provider.begin(wanted, unheard)
    while isinstance(answer, InProgress):
        time.sleep(min(answer.retry_after_s, 0.2))
        answer = provider.poll(answer.handle, wanted.writer, unheard)
    return answer


@pytest.mark.parametrize("scale", [0, SLOW])
def test_of_two_states_that_make_a_version_at_once_one_gets_it(project: CloudProject, scale: float) -> None:
    """The other one finds it when it reads, or when its write is refused; its upload is removed again."""
    declared = documents(project, "eastus", "westus")
    project.apply_until_done(*declared[:2])
    project.write(*declared)
    project.world.set_time_scale(scale)
    both = [operation(project, lineage, "eastus", "westus") for lineage in ("aaaaaaaa-one", "bbbbbbbb-two")]
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda wanted: carry_out(project.world, wanted), both)
    won = [all(isinstance(result, Applied) for result in done.results.values()) for done in (one, other)]
    assert sorted(won) == [False, True]
    lost = (one, other)[won.index(False)]
    assert all(isinstance(result, ObjectConflict) for result in lost.results.values()), lost.results
    found = project.world.provider().read(VERSION)
    assert found is not None
    assert found.mark is not None
    assert found.mark.lineage == both[won.index(True)].lineage
    assert not [name for name in project.world.objects() if name.startswith("staging")]


class Stranger:
    """Microsoft's own client, used by someone who does not know us."""

    def __init__(self, world: AzureWorld) -> None:
        self._token = world.emulator.token()
        self._client = ComputeManagementClient(
            self, SUBSCRIPTION, base_url=world.emulator.endpoint, connection_verify=str(world.emulator.ca)
        )

    def get_token(self, *_scopes: str, **_more: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)

    def add_region(self, name: str) -> int:
        """Reads the regions, adds one and writes them, as often as it takes; returns the number of conflicts."""
        versions = self._client.gallery_image_versions
        for refused in range(200):
            shown = versions.get(GROUP, *VERSION[:3])
            wanted = [*shown.publishing_profile.target_regions, {"name": name}]
            body: Any = {"properties": {"publishingProfile": {"targetRegions": wanted}}}
            try:
                versions.begin_update(GROUP, *VERSION[:3], body, polling=False)
            except ResourceExistsError:
                time.sleep(0.05)
                continue
            self._client.close()
            return refused
        raise AssertionError("the service is busy for ever")


def test_two_writers_at_once_wait_for_each_other_and_both_have_their_regions(project: CloudProject) -> None:
    project.apply_until_done(*documents(project, "eastus", "westus"))
    project.write(*documents(project, "eastus", "westus", "northeurope", tags={"owner": "ada"}))
    project.world.set_time_scale(SLOW)
    with ThreadPoolExecutor(1) as pool, Engine(project.folder) as engine:

        def with_a_stranger(_: Plan) -> bool:
            theirs.append(pool.submit(Stranger(project.world).add_region, THEIRS))
            return True

        theirs: list[Future[int]] = []
        result = engine.apply(PlanOptions(), with_a_stranger, Interrupt()).result
        (stranger,) = theirs
        stranger.result()
    assert result is not None
    assert result.complete, result
    assert regions(project.world) == {"eastus", "westus", "northeurope", THEIRS}
    assert not project.plan().changes


def test_an_operation_of_somebody_else_is_waited_out(project: CloudProject) -> None:
    project.apply_until_done(*documents(project, "eastus", "westus"))
    writer = writer_in(project)
    project.world.set_time_scale(SLOW)
    shown = project.world.call("GET", VERSION_ID)["properties"]["publishingProfile"]["targetRegions"]
    theirs = {"properties": {"publishingProfile": {"targetRegions": [*shown, {"name": THEIRS}]}}}
    project.write(*documents(project, "eastus", "westus", "northeurope"))
    step = Step(Verb.CREATE, VERSION._replace(region="northeurope"), REPLICA)
    wanted = Operation(VERSION, writer, (step,), {"replicationMode": "Full"})
    project.world.call("PATCH", VERSION_ID, theirs)
    assert project.world.call("GET", VERSION_ID)["properties"]["provisioningState"] == "Updating"
    done = carry_out(project.world, wanted)
    assert isinstance(done.results[step.address], Applied)
    assert regions(project.world) == {"eastus", "westus", "northeurope", THEIRS}


def writer_in(project: CloudProject) -> Writer:
    with Engine(project.folder) as engine:
        return Writer(owner_of(engine.state()), LATER)


def test_somebody_who_takes_a_region_away_again_and_again_is_named(project: CloudProject) -> None:
    """Two clients that undo each other's writes: after some writes the operation fails, and names the likely reason."""
    project.apply_until_done(*documents(project, "eastus", "westus", safety=REMOVABLE))
    step = Step(Verb.CREATE, VERSION._replace(region="northeurope"), REPLICA)
    provider = project.world.provider()
    writer = writer_in(project)
    answer = provider.begin(Operation(VERSION, writer, (step,), {}), unheard)
    while isinstance(answer, InProgress):
        with project.world.emulator.service.store.transaction():
            project.world.emulator.service.advance()
        set_regions(project.world, "eastus", "westus")
        answer = provider.poll(answer.handle, writer, unheard)
    result = answer.results[step.address]
    assert not isinstance(result, Applied)
    assert "still not as planned" in result.message
    assert "another client" in result.remedy
