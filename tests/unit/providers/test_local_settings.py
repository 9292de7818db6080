"""The settings of the local provider: every problem is reported at its place, with the nearest word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.provider_settings import accepted, refused, said

from reconciler.manifests.trust import Trust
from reconciler.providers.errors import ProviderError
from reconciler.providers.local.directories.regions import configured_regions
from reconciler.providers.local.provider import create_provider


def regions_of(project: Path, settings: dict[str, Any]) -> frozenset[str] | None:
    return create_provider(accepted(project, "local", settings)).capabilities().regions


def test_the_regions_are_any_or_those_named(tmp_path: Path) -> None:
    assert regions_of(tmp_path, {"root": "regions"}) is None
    assert regions_of(tmp_path, {"root": "regions", "regionNames": ["East US", "westus"]}) == frozenset(
        {"eastus", "westus"}
    )
    assert regions_of(tmp_path, {"regions": {"East US": "a", "westus": "b"}}) == frozenset({"eastus", "westus"})


def test_paths_are_those_of_the_project(tmp_path: Path) -> None:
    assert configured_regions(accepted(tmp_path, "local", {"root": "a/../b"})).root == str(tmp_path / "b")
    config = accepted(
        tmp_path, "local", {"regions": {"East US": "/srv/east", "westus": "w"}}, Trust(directories=(Path("/srv"),))
    )
    assert configured_regions(config).paths == {"eastus": "/srv/east", "westus": str(tmp_path / "w")}


@pytest.mark.parametrize(
    ("settings", "line", "why"),
    [
        ({}, '"main": {', "write `root"),
        ({"root": "a", "regions": {"eastus": "b"}}, '"main": {', "write `root"),
        ({"roots": "a"}, '"roots"', "did you mean 'root'"),
        ({"root": "a", "regionName": ["eastus"]}, '"regionName"', "did you mean 'regionNames'"),
        ({"root": [7]}, '"root"', "root: must be a"),
        ({"root": ""}, '"root"', "it must be the path of a directory"),
        ({"root": "."}, '"root"', "holds the project itself"),
        ({"root": ".."}, '"root"', "holds the project itself"),
        ({"root": "a", "regionNames": "eastus"}, '"regionNames"', "must be a list, not a"),
        ({"root": "a", "regionNames": []}, '"regionNames"', "names no region"),
        ({"root": "a", "regionNames": ["../x"]}, '"../x"', "not a region name"),
        ({"regions": []}, '"regions"', "must be a mapping, not a list"),
        ({"regions": {}}, '"regions"', "names no region"),
        ({"regions": {"eastus": "a", "East US": "b"}}, '"East US"', "the region eastus is declared twice"),
        ({"regions": {"../x": "a"}}, '"../x"', "not a region name"),
        ({"regions": {"eastus": "a", "westus": "a"}}, '"westus"', "is the one of"),
        ({"regions": {"eastus": "a", "westus": "a/b"}}, '"westus"', "or inside it"),
        ({"regions": {"eastus": ["a"]}}, '"eastus"', "regions.eastus: must be a"),
        ({"regions": {"eastus": ""}}, '"eastus"', "it must be the path of a directory"),
        ({"regions": {"eastus": "a"}, "regionNames": ["eastus"]}, '"regionNames"', "`regionNames` belongs to `root`"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    tmp_path: Path, settings: dict[str, Any], line: str, why: str
) -> None:
    problems = refused(tmp_path, "local", settings)
    assert why in said(problems[0])
    assert problems[0].line.strip().startswith(line)
    assert problems[0].summary.startswith("providers.main")
    assert problems[0].detail or "must be" in problems[0].summary


def test_directories_are_compared_where_links_lead(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    (problem,) = refused(tmp_path, "local", {"regions": {"eastus": "a", "westus": "b"}}, Trust(directories=(tmp_path,)))
    assert "is the one of" in problem.summary


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    first, second = refused(tmp_path, "local", {"roott": "a", "colour": "red"})
    assert "did you mean 'root'" in first.detail
    assert "unknown key 'colour'" in second.summary


def test_a_region_that_is_not_offered_is_refused(tmp_path: Path) -> None:
    settings = {"root": "regions", "regionNames": ["eastus"]}
    with pytest.raises(ProviderError, match="no region 'mars'"):
        configured_regions(accepted(tmp_path, "local", settings)).path("mars")
