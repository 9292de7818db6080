"""Replication: progress by region, failures, and operations that are stuck."""

from __future__ import annotations

from typing import Any

import pytest
from support.azure.emulated_service import DEFINITION, Emulated, version_properties

from reconciler.providers.emulator.core.arm import ArmError
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.gallery.image_references import latest, own_version

VERSION = f"{DEFINITION}/versions/1.0.0"
LEAVE = {"safetyProfile": {"allowDeletionOfReplicatedLocations": True}}


@pytest.fixture(autouse=True)
def source(paced: Emulated) -> dict[str, Any]:
    paced.definition()
    found = {"osDiskImage": {"source": {"id": paced.disk("os", size_gb=40)}}}
    paced.clock.advance(60)
    return found


def regions(*names: str) -> list[dict[str, Any]]:
    return [{"name": name} for name in names]


def status(paced: Emulated) -> tuple[str, dict[str, tuple[str, int]]]:
    found = paced.properties(VERSION, expand="ReplicationStatus")["replicationStatus"]
    return found["aggregatedState"], {one["region"]: (one["state"], one["progress"]) for one in found["summary"]}


def test_regions_are_filled_one_after_the_other(paced: Emulated, source: dict[str, Any]) -> None:
    answer = paced.put(VERSION, version_properties(source, targetRegions=regions("eastus", "westus", "westus2")))
    assert answer.headers["Retry-After"] == "60"
    assert status(paced)[1] == dict.fromkeys(("East US", "West US", "West US 2"), ("Replicating", 0))
    paced.clock.advance(200)
    assert status(paced) == (
        "InProgress",
        {"East US": ("Replicating", 50), "West US": ("Replicating", 47), "West US 2": ("Replicating", 45)},
    )
    paced.clock.advance(201)
    assert [state for state, _ in status(paced)[1].values()] == ["Completed", "Replicating", "Replicating"]
    paced.clock.advance(20)
    assert [state for state, _ in status(paced)[1].values()] == ["Completed", "Completed", "Replicating"]
    assert paced.status(answer)["status"] == "InProgress"
    assert paced.properties(VERSION)["provisioningState"] == "Creating"
    paced.clock.advance(30)
    assert status(paced) == ("Completed", dict.fromkeys(("East US", "West US", "West US 2"), ("Completed", 100)))
    ended = paced.status(answer)
    assert (ended["status"], "error" in ended) == ("Succeeded", False)
    assert ended["startTime"] < ended["endTime"]


def test_the_state_of_regions_is_only_shown_on_request(paced: Emulated, source: dict[str, Any]) -> None:
    paced.put(VERSION, version_properties(source))
    assert "replicationStatus" not in paced.properties(VERSION)
    (listed,) = paced.get(f"{DEFINITION}/versions")["value"]
    assert "replicationStatus" not in listed["properties"]


def test_a_version_that_is_written_is_left_alone_until_it_is_done(paced: Emulated, source: dict[str, Any]) -> None:
    answer = paced.put(VERSION, version_properties(source))
    error = paced.put_refused(VERSION, {"storageProfile": {}})
    assert (error.status, error.code) == (409, "Conflict")
    going = paced.send("DELETE", VERSION)
    assert paced.status(answer)["error"]["code"] == "OperationPreempted"
    marked = paced.put_refused(VERSION, {"storageProfile": {}})
    assert marked.status == 409
    assert "deletion" in marked.message
    assert paced.properties(VERSION)["provisioningState"] == "Deleting"
    paced.clock.advance(90)
    assert paced.status(going)["status"] == "Succeeded"
    assert paced.refused("GET", VERSION).status == 404


def test_a_failed_region_fails_the_operation_and_is_tried_again_by_the_next_write(
    paced: Emulated, source: dict[str, Any]
) -> None:
    paced.faults(Fault("fail-region", region="westus", times=2))
    sent = version_properties(source, targetRegions=regions("eastus", "westus"))
    answer = paced.put(VERSION, {**sent, **LEAVE})
    paced.clock.advance(500)
    ended = paced.status(answer)
    assert (ended["status"], ended["error"]["code"]) == ("Failed", "ReplicationJobsNotCompleted")
    assert "West US" in ended["error"]["message"]
    assert paced.properties(VERSION)["provisioningState"] == "Failed"
    assert status(paced) == ("Failed", {"East US": ("Completed", 100), "West US": ("Failed", 0)})
    same = paced.put(VERSION, sent)
    paced.clock.advance(500)
    assert paced.status(same)["status"] == "Failed"
    assert status(paced) == ("Failed", {"East US": ("Completed", 100), "West US": ("Failed", 0)})
    for names in (("eastus", "westus"), ("eastus",), ("eastus", "westus")):
        answer = paced.put(VERSION, version_properties({}, targetRegions=regions(*names)))
        assert status(paced)[1]["East US"] == ("Completed", 100)
        paced.clock.advance(500)
        assert paced.status(answer)["status"] == "Succeeded"
    assert status(paced)[0] == "Completed"


def test_what_sticks_does_not_end_until_it_is_let_go(paced: Emulated, source: dict[str, Any]) -> None:
    paced.faults(Fault("stick", "PUT"))
    answer = paced.put(VERSION, version_properties(source))
    paced.clock.advance(1_000_000)
    assert paced.status(answer)["status"] == "InProgress"
    assert status(paced) == ("InProgress", {"East US": ("Replicating", 0)})
    paced.faults()
    assert paced.status(answer)["status"] == "Succeeded"
    assert status(paced) == ("Completed", {"East US": ("Completed", 100)})


def test_a_copy_is_used_when_it_is_there_and_while_more_are_made(paced: Emulated, source: dict[str, Any]) -> None:
    paced.put(VERSION, version_properties(source))
    paced.clock.advance(500)
    more = [{"name": "eastus", "regionalReplicaCount": 2}, {"name": "westus"}]
    paced.put(VERSION, version_properties({}, targetRegions=more))
    assert status(paced)[1] == {"East US": ("Replicating", 0), "West US": ("Replicating", 0)}
    assert own_version(paced.service, VERSION, "eastus", "source").name == "1.0.0"
    with pytest.raises(ArmError, match="not replicated"):
        own_version(paced.service, VERSION, "westus", "source")
    paced.clock.advance(500)
    assert own_version(paced.service, VERSION, "westus", "source").name == "1.0.0"
    paced.put(VERSION, version_properties({}, targetRegions=more))
    assert status(paced)[0] == "Completed"


def test_the_latest_version_is_the_highest_that_is_there_and_not_excluded(
    paced: Emulated, source: dict[str, Any]
) -> None:
    everywhere = regions("eastus", "westus")
    for name, publishing in (
        ("1.9.0", {"targetRegions": everywhere}),
        ("1.10.0", {"targetRegions": regions("eastus")}),
        ("2.0.0", {"targetRegions": everywhere, "excludeFromLatest": True}),
        ("3.0.0", {"targetRegions": [{"name": "eastus", "excludeFromLatest": True}, {"name": "westus"}]}),
        (
            "4.0.0",
            {
                "targetRegions": [{"name": "eastus"}, {"name": "westus", "excludeFromLatest": False}],
                "excludeFromLatest": True,
            },
        ),
    ):
        paced.put(f"{DEFINITION}/versions/{name}", version_properties(source, **publishing))
        paced.clock.advance(500)
    paced.get(f"{DEFINITION}/versions")
    definition = paced.store.get(DEFINITION)
    assert definition is not None
    found = {region: latest(paced.service, definition, region, "image").name for region in ("eastus", "westus")}
    assert found == {"eastus": "1.10.0", "westus": "4.0.0"}


def test_a_shallow_version_is_there_in_seconds(paced: Emulated, source: dict[str, Any]) -> None:
    answer = paced.put(VERSION, version_properties(source, replicationMode="Shallow"))
    paced.clock.advance(15)
    assert paced.status(answer)["status"] == "Succeeded"
