"""Drift of a gallery on the emulated service: versions of others that take over `latest`, and failed ones of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.azure.azurite import RunningAzurite
from support.azure.projects import CloudProject, cloud_project
from support.azure.world import COMPUTE_ID
from support.estates import Document, definition, gallery, version

from reconciler.drift.report import DriftKind, DriftSeverity
from reconciler.engine import Engine
from reconciler.manifests.address import Address
from reconciler.planning.plan import PlanOptions
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.http.admin import set_faults

DEFINITION = Address("corp", "ubuntu")
VERSIONS = f"{COMPUTE_ID}/galleries/corp/images/ubuntu/versions"


@pytest.fixture
def project(tmp_path: Path, azurite: RunningAzurite) -> Iterator[CloudProject]:
    with cloud_project(tmp_path / "project", azurite) as found:
        yield found


def documents(project: CloudProject) -> list[Document]:
    source = project.world.image("boot.raw", b"content".ljust(1 << 20, b"\1"))
    return [gallery(), definition(), version({"file": f"../{source['file']}"})]


def publish(project: CloudProject, number: str, *regions: dict[str, Any], **publishing: Any) -> None:
    """Somebody who does not know us publishes a version in our definition."""
    source = {"id": project.managed_image(f"of-{number}")}
    body = {
        "location": "eastus",
        "properties": {
            "storageProfile": {"source": source},
            "publishingProfile": {"targetRegions": list(regions), **publishing},
        },
    }
    project.world.call("PUT", f"{VERSIONS}/{number}", body)


def test_a_version_of_somebody_else_that_takes_over_latest_is_critical(project: CloudProject) -> None:
    project.apply_until_done(*documents(project))
    publish(project, "9.0.0", {"name": "East US"}, {"name": "West US", "excludeFromLatest": True})
    report = project.drift()
    (item,) = report.drifts
    assert (item.address, item.kind, item.severity) == (DEFINITION, DriftKind.LATEST, DriftSeverity.CRITICAL)
    assert [(move.region, move.before, move.after) for move in item.latest] == [("eastus", "1.0.0", "9.0.0")]
    assert {str(one.address) for one in report.unmanaged} == {
        "corp/ubuntu/9.0.0",
        "corp/ubuntu/9.0.0@eastus",
        "corp/ubuntu/9.0.0@westus",
    }
    with Engine(project.folder) as engine:
        live = engine.live_latest(DEFINITION)
        assert engine.latest(DEFINITION) == {"eastus": "1.0.0", "westus": "1.0.0"}
    assert live.versions == {"eastus": "9.0.0", "westus": "1.0.0"}
    assert live.foreign == {"eastus"}
    assert live.unreachable == ()


def test_a_version_of_somebody_else_that_is_not_latest_is_only_unmanaged(project: CloudProject) -> None:
    project.apply_until_done(*documents(project))
    publish(project, "0.9.0", {"name": "eastus"})
    publish(project, "9.0.0", {"name": "eastus"}, excludeFromLatest=True)
    report = project.drift()
    assert not report.found
    assert not report.inconclusive
    assert len(report.unmanaged) == 4


def test_a_failed_version_of_ours_is_not_green(project: CloudProject) -> None:
    """Every region fails: the version lies in the gallery, and is not complete."""
    declared = documents(project)
    project.apply_until_done(*declared[:2])
    fail_everywhere(project)
    assert project.failure(*declared)
    report = project.drift()
    kinds = {str(item.address): (item.kind, item.severity) for item in report.drifts}
    unsettled = (DriftKind.UNSETTLED, DriftSeverity.CRITICAL)
    assert {address: kinds[address] for address in kinds if "@" not in address} == {"corp/ubuntu/1.0.0": unsettled}
    assert all(kind is DriftKind.UNSETTLED for kind, _ in kinds.values())
    assert (report.checked, report.unchanged) == (2, 2)


def test_a_failed_version_of_ours_that_the_journal_does_not_know_is_not_green(project: CloudProject) -> None:
    declared = documents(project)
    project.apply_until_done(*declared[:2])
    fail_everywhere(project)
    assert project.failure(*declared)
    with Engine(project.folder) as engine:
        engine.records.forget([Address("corp", "ubuntu", "1.0.0")])
    found = {str(item.address): item.kind for item in project.drift().drifts}
    assert found["corp/ubuntu/1.0.0"] is DriftKind.UNSETTLED


def fail_everywhere(project: CloudProject) -> None:
    faults = [Fault("fail-region", region=region) for region in ("eastus", "westus")]
    set_faults(project.world.emulator.service, faults)


def test_an_accepted_change_of_a_tag_is_recorded(project: CloudProject) -> None:
    declared = documents(project)
    project.apply_until_done(*declared)
    shown = project.world.call("GET", f"{COMPUTE_ID}/galleries/corp")
    project.world.call("PATCH", f"{COMPUTE_ID}/galleries/corp", {"tags": {**shown["tags"], "team": "images"}})
    assert [item.kind for item in project.drift().drifts] == [DriftKind.CHANGED]
    accepted = [gallery(tags={"team": "images"}), *declared[1:]]
    assert project.apply_until_done(*accepted) == {"corp": "record"}
    assert not project.drift().found
    with Engine(project.folder) as engine:
        assert engine.plan(PlanOptions()).reread == ()
