"""What is outside of the project's folder is read only where whoever runs the command says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import Trust, open_inside


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a file, beside a folder with another, and links between the two."""
    for folder in ("project", "project-2"):
        (tmp_path / folder / "images").mkdir(parents=True)
        (tmp_path / folder / "images" / "one.raw").write_text(folder)
    project = tmp_path / "project"
    (project / "file").symlink_to("../project-2/images/one.raw")
    (project / "folder").symlink_to("../project-2")
    (project / "inside").symlink_to("images/one.raw")
    os.mkfifo(project / "fifo")
    return project


def content(path: Path, trust: Trust, project: Path) -> str:
    descriptor = open_inside(path, trust.roots(project))
    with os.fdopen(descriptor) as file:
        return file.read()


@pytest.mark.parametrize("name", ["images/one.raw", "inside", "folder/../project/inside"])
def test_what_is_in_the_project_is_read(project: Path, name: str) -> None:
    assert content(project / name, Trust(), project) == "project"


@pytest.mark.parametrize(
    "name", ["file", "folder/images/one.raw", "../project-2/images/one.raw", "images/../../project-2/images/one.raw"]
)
def test_what_leads_out_is_read_where_it_is_trusted(project: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="outside of the project"):
        content(project / name, Trust(), project)
    assert content(project / name, Trust(directories=(project.parent / "project-2",)), project) == "project-2"


def test_nothing_is_waited_for(project: Path) -> None:
    os.close(open_inside(project / "fifo", Trust().roots(project)))
