"""What a plan costs on the emulator, in requests: listings, however many objects there are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from benchmarks.workload import DEFINITIONS, galleries, write_project
from support.azure.azurite import RunningAzurite
from support.azure.world import AzureWorld

from reconciler.applying.context import Interrupt
from reconciler.engine import Engine
from reconciler.planning.plan import PlanOptions

SIZE = 1000
LISTINGS = {"list galleries", "list definitions", "list versions", "list locations"}


@pytest.mark.slow(60)
def test_a_plan_of_a_thousand_resources_is_made_of_listings(
    tmp_path: Path, azurite: RunningAzurite, capsys: pytest.CaptureFixture[str]
) -> None:
    write_project(tmp_path / "project", SIZE)
    world = AzureWorld(tmp_path / "project", azurite)
    project = {"project": "bench", "manifests": ["manifests"], "provider": {"type": "emulator", **world.settings}}
    (tmp_path / "project" / "reconciler.yaml").write_text(yaml.safe_dump(project))
    try:
        with Engine(tmp_path / "project") as engine:
            result = engine.apply(PlanOptions(), lambda _: True, Interrupt()).result
            assert result is not None
            assert result.complete
        for name, refresh in (("plan", True), ("plan again", True)):
            world.emulator.request_log.reset()
            with Engine(tmp_path / "project") as engine:
                assert not engine.plan(PlanOptions(), refresh=refresh).changes
            counts = {one["name"]: one["count"] for one in world.emulator.request_log.summary()["counts"]}
            with capsys.disabled():
                told = ", ".join(f"{count} {what}" for what, count in counts.items())
                print(f"\n{name} of W({SIZE:,}) on the emulator: {sum(counts.values())} requests: {told}")  # noqa: T201
            assert counts.keys() <= LISTINGS
            assert counts["list versions"] <= len(galleries(SIZE)) * DEFINITIONS
    finally:
        world.close()
