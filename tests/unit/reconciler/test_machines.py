"""Machines to try images on, as far as no host is needed: sizes, and backends that run none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.app import run
from reconciler.machines import warnings


@pytest.mark.parametrize(
    ("recommended", "cpus", "memory", "told"),
    [
        ({}, 64, 1.0, ()),
        ({"vCPUs": {"min": 1, "max": 4}, "memory": {"min": 2, "max": 8}}, 4, 2.0, ()),
        ({"vCPUs": {"min": 2, "max": 4}}, 1, 1.0, ("1 processors: the image recommends 2 to 4",)),
        ({"vCPUs": {"min": 2}}, 1, 1.0, ("1 processors: the image recommends at least 2",)),
        ({"memory": {"max": 8}}, 1, 8.5, ("8.5 GiB of memory: the image recommends at most 8",)),
        (
            {"vCPUs": {"min": 2, "max": 2}, "memory": {"min": 4}},
            3,
            0.5,
            ("3 processors: the image recommends 2", "0.5 GiB of memory: the image recommends at least 4"),
        ),
    ],
)
def test_what_is_not_as_recommended_is_reported(
    recommended: dict[str, Any], cpus: int, memory: float, told: tuple[str, ...]
) -> None:
    assert warnings({"recommended": recommended}, cpus, memory) == told


@pytest.fixture
def project(tmp_path: Path) -> str:
    """What `init` writes, applied: its provider keeps files in directories."""
    folder = str(tmp_path / "project")
    assert run(["init", folder]) == 0
    assert run(["--project", folder, "apply", "--auto-approve"]) == 0
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["create", "try-1", "--image", "corp/hello/latest", "--region", "eastus"],
        ["delete", "try-1", "--region", "eastus"],
        ["log", "try-1", "--region", "eastus"],
    ],
)
def test_a_backend_without_machines_is_refused(
    project: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--project", project, "vm", *words]) == 1
    assert "use a provider of type libvirt" in capsys.readouterr().err


def test_a_project_without_machines_has_none(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["--project", project, "vm", "list"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("image", ["corp/hello", "corp", "corp/hello/1.0.0@eastus", "a//b"])
def test_an_image_is_a_version(project: str, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--project", project, "vm", "create", "try-1", "--image", image, "--region", "eastus"]) == 1
    assert image in capsys.readouterr().err
