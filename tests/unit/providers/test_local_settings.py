"""The settings of the local provider: every fault is named, with the nearest word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.providers.errors import ProviderError
from reconciler.providers.local.provider import create_provider
from reconciler.providers.registry import ProviderConfig


def capabilities_of(project: Path, settings: dict[str, Any]) -> frozenset[str] | None:
    return create_provider(ProviderConfig("main", "local", settings, project)).capabilities().regions


def test_the_regions_are_any_or_those_named(tmp_path: Path) -> None:
    assert capabilities_of(tmp_path, {"root": "regions"}) is None
    assert capabilities_of(tmp_path, {"root": "regions", "regionNames": ["East US", "westus"]}) == {"eastus", "westus"}
    assert capabilities_of(tmp_path, {"regions": {"East US": "a", "westus": "b"}}) == {"eastus", "westus"}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "write `root"),
        ({"root": "a", "regions": {"eastus": "b"}}, "write `root"),
        ({"roots": "a"}, "did you mean 'root'"),
        ({"root": "a", "regionName": ["eastus"]}, "did you mean 'regionNames'"),
        ({"root": 7}, "`root` is the path of a directory"),
        ({"root": ""}, "`root` is the path of a directory"),
        ({"root": "."}, "holds the project itself"),
        ({"root": ".."}, "holds the project itself"),
        ({"root": "a", "regionNames": "eastus"}, "`regionNames` is a list"),
        ({"root": "a", "regionNames": ["../x"]}, "not a region name"),
        ({"regions": []}, "write `root"),
        ({"regions": {"eastus": "a", "East US": "b"}}, "region eastus is there twice"),
        ({"regions": {"eastus": "a", "westus": "a"}}, "is the one of"),
        ({"regions": {"eastus": "a", "westus": "a/b"}}, "or inside it"),
        ({"regions": {"eastus": None}}, "`regions.eastus` is the path of a directory"),
        ({"regions": {"eastus": "a"}, "regionNames": ["eastus"]}, "`regionNames` belongs to `root`"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ProviderError, match=why) as caught:
        capabilities_of(tmp_path, settings)
    assert "provider 'main'" in caught.value.message
    assert caught.value.remedy


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ProviderError) as caught:
        capabilities_of(tmp_path, {"roott": "a", "colour": "red"})
    assert "did you mean 'root'" in caught.value.message
    assert "unknown setting 'colour'" in caught.value.message


def test_a_region_that_is_not_offered_is_refused(tmp_path: Path) -> None:
    provider = create_provider(
        ProviderConfig("main", "local", {"root": "regions", "regionNames": ["eastus"]}, tmp_path)
    )
    with pytest.raises(ProviderError, match="no region 'mars'"):
        provider._paths.regions.path("mars")
