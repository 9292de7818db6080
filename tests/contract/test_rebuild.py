"""A lost state is made again from the marks in the world, on every backend: nothing is copied or deleted for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.azure.world import AzureWorld
from support.estates import definition, gallery, version
from support.libvirt.trusting import trusting
from support.libvirt.world import LibvirtWorld
from support.local_galleries import LocalWorld

from reconciler.applying.context import Interrupt
from reconciler.engine import Engine
from reconciler.maintenance.key_files import export_key, read_key
from reconciler.maintenance.rebuild import Request, rebuild
from reconciler.manifests.address import Address
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.testing.worlds import FullWorld

EAST, WEST = (Address("corp", "ubuntu", "1.0.0", region) for region in ("eastus", "westus"))
LOCAL = {"type": "local", "root": "../regions"}

Fixtures = Callable[[str], Any]


def _local(folder: Path, _: Fixtures) -> tuple[Any, Mapping[str, Any]]:
    return LocalWorld(folder), LOCAL


def _emulator(folder: Path, fixture: Fixtures) -> tuple[Any, Mapping[str, Any]]:
    world = AzureWorld(folder, fixture("azurite"))
    return world, {"type": "emulator", **world.settings}


def _libvirt(folder: Path, fixture: Fixtures) -> tuple[Any, Mapping[str, Any]]:
    world = LibvirtWorld(folder, fixture("libvirt_hosts"))
    return world, {"type": "libvirt", **world.settings}


BACKENDS = {"local": _local, "emulator": _emulator, "libvirt": _libvirt}
MARKS = {"emulator": [pytest.mark.azurite], "libvirt": [pytest.mark.libvirt]}


@dataclass
class Project:
    """A gallery with one version in two regions, on one backend."""

    folder: Path
    world: FullWorld

    def engine(self) -> Engine:
        return Engine(self.folder, trust=replace(trusting(self.folder), directories=(self.folder.parent,)))

    def plan(self) -> Plan:
        with self.engine() as engine:
            return engine.plan(PlanOptions())

    def apply(self, **options: Any) -> None:
        with self.engine() as engine:
            result = engine.apply(PlanOptions(**options), lambda _: True, Interrupt()).result
        assert result is None or result.complete, result

    def write(self, **attributes: Any) -> None:
        source = self.world.image("boot.raw", b"content".ljust(1 << 20, b"\1"))
        made = version({"file": f"../../{source['file']}"}, targetRegions=["eastus", "westus"], **attributes)
        path = self.folder / "manifests" / "all.yaml"
        path.write_text(yaml.safe_dump_all([gallery(), definition(), made], sort_keys=False))

    def lose_the_state(self) -> None:
        shutil.rmtree(self.folder / ".reconciler")

    def everything(self) -> tuple[Any, ...]:
        return self.world.objects(), self.world.copies(EAST), self.world.copies(WEST)


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, [])) for name in sorted(BACKENDS)])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    world, provider = BACKENDS[request.param](tmp_path, request.getfixturevalue)
    folder = tmp_path / "project"
    (folder / "manifests").mkdir(parents=True)
    settings = {"project": "test", "manifests": ["manifests"], "provider": dict(provider)}
    (folder / "reconciler.yaml").write_text(yaml.safe_dump(settings))
    made = Project(folder, world)
    made.write()
    made.apply()
    yield made
    world.close()


@pytest.mark.parametrize("with_key", [True, False])
def test_a_lost_state_is_rebuilt(project: Project, with_key: bool) -> None:
    key = project.folder / "owner.key"
    with project.engine() as engine:
        before = engine.state()
        export_key(engine, key)
    world = project.everything()
    project.lose_the_state()
    request = Request(owner=read_key(key)) if with_key else Request(unverified=before.lineage)
    with project.engine() as engine:
        found = rebuild(engine, request, lambda _: True)
        after = engine.state()
    assert found is not None
    assert after.lineage == before.lineage
    assert after.records.keys() == before.records.keys()
    for address, record in before.records.items():
        again = after.records[address]
        assert (again.canonical, again.computed, again.dependencies, again.object_id.lower()) == (
            record.canonical,
            record.computed,
            record.dependencies,
            record.object_id.lower(),
        )
    plan = project.plan()
    assert plan.errors == ()
    if with_key:
        assert plan.changes == ()
    assert {(change.action, change.copies) for change in plan.changes} <= {(Action.UPDATE, 0)}
    assert project.everything() == world
    project.apply()
    assert project.plan().changes == ()
    assert (project.world.copies(EAST), project.world.copies(WEST)) == world[1:]
    project.write(endOfLifeDate="2040-01-01")
    project.apply()
    assert project.plan().changes == ()
    assert project.world.copies(EAST) == world[1]
    project.apply(destroy=True, allow_deletes=99)
    assert project.world.objects() == []
