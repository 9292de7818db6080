"""What a test needs beside Python is in its markers, so that `make check` can leave it out."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.suite.inner import run_tests
from support.suite.needs import BY_FIXTURE, BY_PROGRAM, IMPLIED, MARKERS, markers_for

PARAMETERS = {"libvirt": "libvirt", "emulator": "azurite", "postgresql": "postgresql"}
"""Value of a parametrized fixture of the contract tests -> the marker of tests that have it."""

RUNS_A_PROGRAM = """
import subprocess, pytest
{decorator}
def test_one():
    subprocess.run(["qemu-img", "--version"], check=True)
"""
TAKES_LONG = """
import pytest
def test_quick(): pass
@pytest.mark.slow
def test_slow(): pass
@pytest.mark.slow(60)
def test_slowest(): pass
"""


def markers(item: pytest.Item) -> set[str]:
    return {mark.name for mark in item.iter_markers()}


@pytest.mark.parametrize(("fixture", "marker"), BY_FIXTURE.items())
def test_tests_with_a_fixture_have_its_marker(request: pytest.FixtureRequest, fixture: str, marker: str) -> None:
    unmarked = [
        item.nodeid
        for item in request.session.items
        if fixture in getattr(item, "fixturenames", ()) and not {marker, *IMPLIED.get(marker, ())} <= markers(item)
    ]
    assert unmarked == []


def test_contract_tests_have_the_markers_of_their_backend(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.path.parent.name == "contract" and hasattr(item, "callspec"):
            values = {value for value in item.callspec.params.values() if isinstance(value, str)}
            assert {PARAMETERS[value] for value in values & PARAMETERS.keys()} <= markers(item), item.nodeid


def test_crash_tests_are_slow(request: pytest.FixtureRequest) -> None:
    assert all("slow" in markers(item) for item in request.session.items if item.path.parent.name == "crash")


def test_markers_bring_others() -> None:
    assert markers_for({"libvirt_hosts", "tmp_path"}, {"mine"}, "unit") == {"mine", "libvirt", "qemu", "root"}
    assert markers_for((), (), "crash") == {"slow"}
    assert {*BY_FIXTURE.values(), *BY_PROGRAM.values(), *IMPLIED} <= MARKERS.keys()


@pytest.mark.parametrize("decorator", ["", "@pytest.mark.azurite"])
def test_a_program_that_no_marker_announces_fails_the_test(tmp_path: Path, decorator: str) -> None:
    answer = run_tests(tmp_path, RUNS_A_PROGRAM.format(decorator=decorator))
    assert answer.returncode == 1
    assert "this test runs qemu-img and lacks @pytest.mark.qemu" in answer.stdout


@pytest.mark.parametrize("decorator", ["@pytest.mark.qemu", "@pytest.mark.libvirt"])
def test_a_program_that_a_marker_announces_runs(tmp_path: Path, decorator: str) -> None:
    program = tmp_path / "bin" / "qemu-img"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    answer = run_tests(tmp_path, RUNS_A_PROGRAM.format(decorator=decorator), PATH=f"{program.parent}:/usr/bin:/bin")
    assert answer.returncode == 0, answer.stdout


def test_the_longest_are_first(tmp_path: Path) -> None:
    answer = run_tests(tmp_path, TAKES_LONG, "--collect-only", "-q")
    assert answer.returncode == 0, answer.stdout
    listed = [line for line in answer.stdout.splitlines() if "::" in line]
    assert [line.rpartition("::")[2] for line in listed] == ["test_slowest", "test_slow", "test_quick"]
