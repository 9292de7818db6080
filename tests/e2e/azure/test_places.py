"""Another resource group, subscription or emulator than the recorded one knows nothing of what is recorded: all of it
is unknown, never absent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.azure.azurite import RunningAzurite
from support.azure.projects import CloudProject, cloud_project
from support.azure.world import SUBSCRIPTION
from support.estates import definition, gallery, version

from reconciler.engine import Engine
from reconciler.planning.plan import PlanOptions
from reconciler.providers.emulator.server import EmulatorSettings, start
from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import InProgress, Operation, Step, Verb
from reconciler.testing.galleries import GALLERY_ATTRIBUTES
from reconciler.testing.operations import GALLERY, writer_of
from reconciler.testing.providers import new_provider

OTHER_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/other"


@pytest.fixture
def project(tmp_path: Path, azurite: RunningAzurite) -> Iterator[CloudProject]:
    with cloud_project(tmp_path / "project", azurite) as found:
        yield found


def set_provider(project: CloudProject, **settings: Any) -> None:
    path = project.folder / "reconciler.yaml"
    content = yaml.safe_load(path.read_text())
    content["provider"] |= settings
    path.write_text(yaml.safe_dump(content))


def check_unknown(project: CloudProject, what: str) -> None:
    """Nothing is planned or reported as missing, and both say why."""
    with Engine(project.folder) as engine:
        records = engine.state().records
        assert records
        plan, report = engine.plan(PlanOptions()), engine.drift()
    assert dict(plan.unreachable).keys() == dict(report.unreachable).keys() == records.keys()
    assert not plan.changes
    assert not report.drifts
    for _, why in plan.unreachable:
        assert what in why
        assert "correct the provider in the project file" in why


def test_another_resource_group_is_unknown(project: CloudProject) -> None:
    source = project.world.image("boot.raw", b"content".ljust(1 << 20, b"\1"))
    project.apply_until_done(gallery(), definition(), version({"file": f"../{source['file']}"}))
    project.world.call("PUT", OTHER_GROUP, {"location": "eastus"}, "2024-11-01")
    set_provider(project, resourceGroup="other")
    check_unknown(project, "resource group is another one now")
    set_provider(project, resourceGroup="IMAGES")
    assert not project.plan().changes


def test_a_gallery_alone_is_unknown_as_well(project: CloudProject) -> None:
    project.apply_until_done(gallery())
    project.world.call("PUT", OTHER_GROUP, {"location": "eastus"}, "2024-11-01")
    set_provider(project, resourceGroup="other")
    check_unknown(project, "resource group is another one now")


def test_another_emulator_is_unknown_and_the_same_at_another_port_is_not(
    project: CloudProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.apply_until_done(gallery(), definition())
    for data, unknown in ((project.world.folder / "emulator", False), (tmp_path / "empty", True)):
        other = start(EmulatorSettings(data, time_scale=0))
        other.make_group("images")
        monkeypatch.setenv("RECONCILER_EMULATOR_CLIENT_ID", other.client_id)
        monkeypatch.setenv("RECONCILER_EMULATOR_CLIENT_SECRET", other.client_secret)
        set_provider(project, endpoint=other.endpoint, ca=shutil.copy(other.ca, project.folder))
        try:
            if unknown:
                check_unknown(project, "emulator, or the folder with its data, is another one now")
            else:
                assert not project.plan().changes
        finally:
            other.stop()


def test_an_operation_is_not_continued_in_another_resource_group(project: CloudProject) -> None:
    world = project.world
    world.call("PUT", OTHER_GROUP, {"location": "eastus"}, "2024-11-01")
    world.set_time_scale(1)
    begun = world.provider().begin(
        Operation(GALLERY, writer_of(), (Step(Verb.CREATE, GALLERY, GALLERY_ATTRIBUTES),)), lambda *_: None
    )
    assert isinstance(begun, InProgress)
    other = new_provider("emulator", {**world.settings, "resourceGroup": "other"}, world.folder)
    with pytest.raises(ProviderError, match="resource group is another one now"):
        other.poll(begun.handle, writer_of(), lambda *_: None)
    other.close()
