"""The backend that docs/providers.md shows is complete: installed, it keeps the contract and is used like ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.console import run, scratch_project, search_path, write_files
from support.paths import ROOT

PAGE = (ROOT / "docs" / "providers.md").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The quickstart with the backend of the page installed, and used."""
    project = scratch_project(tmp_path)
    write_files(PAGE, project)
    use(project, "{type: memory, file: kept}")
    return project


def use(project: Path, provider: str) -> None:
    (project / "reconciler.yaml").write_text(f"project: test\nprovider: {provider}\n")


def play(project: Path, *commands: str) -> list[tuple[int, str]]:
    with search_path(PAGE) as path:
        return run(commands, project, path)


def test_it_keeps_the_contract(project: Path) -> None:
    ((code, output),) = play(project, "python -m pytest -rA -q memory-backend/test_memory.py")
    assert code == 0, output
    assert output.count("PASSED") > 20
    assert "SKIPPED" not in output


def test_it_is_planned_and_applied(project: Path) -> None:
    plan = "reconciler plan --detailed-exitcode"
    answers = play(project, plan, "reconciler apply --auto-approve", plan, "reconciler drift", "reconciler state list")
    assert [code for code, _ in answers] == [2, 0, 0, 0, 0], answers
    assert "provider memory" in answers[0][1]
    assert (project / "kept").is_file()
    destroyed = play(project, "reconciler destroy --auto-approve", "reconciler state list")
    assert [code for code, _ in destroyed] == [0, 0], destroyed
    assert "corp" not in destroyed[1][1]


def test_its_settings_are_checked_and_described(project: Path) -> None:
    use(project, "\n  type: memory\n  fil: kept")
    schema, validate = play(project, "reconciler schema --project-file", "reconciler validate")
    described = json.loads(schema[1])["$defs"]["Provider_memory"]["properties"]["file"]
    assert described["description"] == "The file that keeps them."
    assert validate[0] == 1
    assert "at reconciler.yaml:4:3" in validate[1]
    assert "did you mean 'file'?" in validate[1]
