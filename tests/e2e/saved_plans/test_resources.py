"""Saved plans of versions made from Azure resources, whose bytes cannot be read: another of that name is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.azure.azurite import RunningAzurite
from support.azure.projects import CloudProject, cloud_project
from support.azure.world import COMPUTE_ID
from support.estates import definition, gallery, version

from reconciler.applying.context import Interrupt
from reconciler.engine import AppliedPlan, Engine
from reconciler.errors import StalePlan
from reconciler.planning.plan import Plan, PlanOptions

DISKS = "2024-03-02"


@pytest.fixture
def project(tmp_path: Path, azurite: RunningAzurite) -> Iterator[CloudProject]:
    with cloud_project(tmp_path / "project", azurite) as found:
        yield found


def save(project: CloudProject, kind: str) -> Plan:
    project.write(gallery(), definition(), version({kind.removesuffix("s"): project.disk("os", kind=kind)}))
    with Engine(project.folder) as engine:
        plan = engine.plan(PlanOptions())
        engine.save_plan(plan, project.folder / "p.plan")
        return plan


def apply_saved(project: CloudProject, recreate: str = "") -> AppliedPlan:
    """`recreate`: a kind of resource that is created again once the plan is approved."""

    def approve(_: Plan) -> bool:
        if recreate:
            remake(project, recreate)
        return True

    with Engine(project.folder) as engine:
        return engine.apply_saved(project.folder / "p.plan", Interrupt(), approve=approve)


def remake(project: CloudProject, kind: str) -> None:
    project.world.call("DELETE", f"{COMPUTE_ID}/{kind}/os", None, DISKS)
    project.disk("os", kind=kind)


@pytest.mark.parametrize("kind", ["snapshots", "disks"])
def test_the_plan_is_bound_to_the_resource_itself(project: CloudProject, kind: str) -> None:
    (bound,) = [source for change in save(project, kind).changes for source in change.sources]
    assert bound.digest == ""
    assert "uniqueId=" in bound.identity
    assert "timeCreated=" in bound.identity
    remake(project, kind)
    with pytest.raises(StalePlan, match="the content of its source changed since"):
        apply_saved(project)


def test_a_resource_that_is_remade_after_the_approval_is_not_published(project: CloudProject) -> None:
    save(project, "snapshots")
    result = apply_saved(project, recreate="snapshots").result
    assert result is not None
    assert any("is not the one that was planned" in error.message for _, error in result.failed)
    assert not [name for name in project.world.objects() if "/versions/" in name]


def test_the_same_resource_is_published(project: CloudProject) -> None:
    save(project, "snapshots")
    result = apply_saved(project).result
    assert result is not None
    assert result.complete
