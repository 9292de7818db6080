"""Renames on the service: objects keep their names there, and nothing is written for a rename alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.azure.azurite import RunningAzurite
from support.azure.projects import CloudProject, cloud_project
from support.azure.world import COMPUTE_ID
from support.estates import definition, gallery, version

WEB = {"publisher": "Contoso", "offer": "corp", "sku": "web"}
MOVED = {"kind": "Moved", "from": "corp/web", "to": "corp/frontend"}


@pytest.fixture
def project(tmp_path: Path, azurite: RunningAzurite) -> Iterator[CloudProject]:
    with cloud_project(tmp_path / "project", azurite) as found:
        yield found


def versions(project: CloudProject, definition_name: str) -> list[str]:
    path = f"{COMPUTE_ID}/galleries/corp/images/{definition_name}/versions"
    return sorted(found["name"] for found in project.world.call("GET", path)["value"])


@pytest.fixture
def source(project: CloudProject) -> dict[str, Any]:
    source = {"managedImage": project.managed_image("golden")}
    project.apply_until_done(gallery(), definition(name="web"), version(source, "corp/web"))
    return source


def frontend(source: dict[str, Any], **more: Any) -> list[Any]:
    return [gallery(), definition(name="frontend", identifier=WEB, **more), version(source, "corp/frontend")]


def test_a_rename_writes_nothing(project: CloudProject, source: dict[str, Any]) -> None:
    before = project.world.objects()
    assert set(project.apply_until_done(*frontend(source), MOVED).values()) == {"record"}
    assert project.world.objects() == before
    assert project.apply_until_done(*frontend(source)) == {}
    assert not project.drift().drifts


def test_a_rename_with_other_edits(project: CloudProject, source: dict[str, Any]) -> None:
    """Nothing is left under the old address, which the next apply would delete."""
    built = version({"version": "corp/frontend/1.0.0"}, "corp/frontend", "1.0.1", targetRegions=["eastus=2", "westus"])
    project.apply_until_done(*frontend(source, endOfLifeDate="2040-01-01"), MOVED)
    assert all(address == "corp" or address.startswith("corp/frontend") for address in project.records())
    project.apply_until_done(*frontend(source, endOfLifeDate="2040-01-01"), built)
    assert versions(project, "web") == ["1.0.0", "1.0.1"]
    assert project.apply_until_done() == {}
    assert not project.drift().drifts
    project.destroy()


def test_a_rename_with_everything_at_once(project: CloudProject, source: dict[str, Any]) -> None:
    built = version({"version": "corp/frontend/1.0.0"}, "corp/frontend", "1.0.1")
    documents = [*frontend(source, tags={"a": "b"}), built]
    project.apply_until_done(*documents, MOVED)
    assert versions(project, "web") == ["1.0.0", "1.0.1"]
    project.apply_until_done(*documents)
    record = project.records()["corp/frontend/1.0.1"]
    assert record.attributes["source"] == {"version": "corp/frontend/1.0.0"}


def test_a_base_can_be_renamed(project: CloudProject, source: dict[str, Any]) -> None:
    first = [gallery(), definition(name="web"), version(source, "corp/web")]
    project.apply_until_done(*first, version({"version": "corp/web/1.0.0"}, "corp/web", "1.0.1"))
    before = project.world.objects()
    built = version({"version": "corp/frontend/1.0.0"}, "corp/frontend", "1.0.1")
    assert set(project.apply_until_done(*frontend(source), built, MOVED).values()) == {"record"}
    assert project.world.objects() == before


def test_the_old_name_is_taken(project: CloudProject, source: dict[str, Any]) -> None:
    project.apply_until_done(*frontend(source), MOVED)
    newcomer = definition(name="web", identifier={**WEB, "sku": "newweb"})
    told = project.refused(*frontend(source), newcomer, version(source, "corp/web"))
    assert "the object called corp/web is recorded as corp/frontend" in told
