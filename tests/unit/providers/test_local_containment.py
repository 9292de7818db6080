"""Where regions and sources may be: in the project's folder, or where whoever runs this trusts more."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.provider_settings import accepted, refused, said

from reconciler.manifests.trust import Trust
from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.image_sources import FileSources
from reconciler.providers.local.directories.regions import configured_regions

REFUSED = "leads through a link|is outside of the project"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project beside a folder that is not of it, with links into that."""
    project, outside = tmp_path / "project", tmp_path / "outside"
    (outside / "eastus").mkdir(parents=True)
    (outside / "disk.raw").write_bytes(bytes(512))
    (project / "real" / "eastus").mkdir(parents=True)
    (project / "linked").symlink_to(outside)
    (project / "within").symlink_to("real")
    (project / "regions").mkdir()
    (project / "regions" / "eastus").symlink_to(outside / "eastus")
    (project / "disk.raw").symlink_to(outside / "disk.raw")
    return project


@pytest.mark.parametrize(
    "settings",
    [
        {"root": "linked"},
        {"root": "within"},
        {"root": "../outside"},
        {"root": "linked/../../outside"},
        {"regions": {"eastus": "linked/eastus"}},
        {"regions": {"eastus": "regions/eastus"}},
        {"regions": {"eastus": "within/eastus"}},
        {"regions": {"eastus": "../outside/none"}},
        {"regions": {"eastus": "/var/lib"}},
    ],
)
def test_a_region_is_not_behind_a_link(project: Path, settings: dict[str, object]) -> None:
    problems = refused(project, "local", settings)
    assert any("leads through a link" in said(one) or "is outside of the project" in said(one) for one in problems)
    config = replace(accepted(project, "local", {"root": "real"}), settings=settings)
    regions = configured_regions(config)
    with pytest.raises(ProviderError, match=REFUSED):
        regions.path("eastus")
    with pytest.raises(ProviderError, match=REFUSED):
        regions.present()


def test_a_region_of_a_root_that_is_a_link_is_not_followed(project: Path) -> None:
    regions = configured_regions(accepted(project, "local", {"root": "regions"}))
    with pytest.raises(ProviderError, match="leads through a link"):
        regions.path("eastus")
    with pytest.raises(ProviderError, match="leads through a link"):
        regions.ready_path("eastus")


def test_trusted_folders_may_be_regions(project: Path) -> None:
    trust = Trust(directories=(project.parent / "outside",))
    for settings in ({"root": "linked"}, {"root": "../outside"}, {"regions": {"eastus": "regions/eastus"}}):
        regions = configured_regions(accepted(project, "local", settings, trust))
        assert os.path.realpath(regions.path("eastus")) == str(project.parent / "outside" / "eastus")


def test_a_project_may_be_reached_through_a_link(project: Path) -> None:
    (project.parent / "alias").symlink_to(project)
    regions = configured_regions(accepted(project.parent / "alias", "local", {"root": "real"}))
    assert regions.path("eastus").endswith("alias/real/eastus")


FILES = ["../outside/disk.raw", "disk.raw", "linked/disk.raw", "../outside/none.raw", "/dev/zero"]


@pytest.mark.parametrize("file", FILES)
def test_nothing_is_found_out_about_a_file_outside(project: Path, file: str) -> None:
    sources = FileSources(str(project))
    assert sources.identity({"file": file}) == ""
    for ask in (sources.facts, lambda source: sources.digest(source, None)):
        with pytest.raises(SourceError) as caught:
            ask({"file": file})
        assert caught.value.message == f"'{file}' is outside of the project"
    if file.endswith("disk.raw"):
        trusted = FileSources(str(project), Trust(directories=(project.parent / "outside",)))
        assert trusted.facts({"file": file}).size == 512
