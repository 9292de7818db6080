"""Telling whether the process that took a lease has ended."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.paths import ROOT

from reconciler.state.lease import has_ended, is_running, iso, this_process

PRINT_AND_WAIT = (
    "import sys; from reconciler.state.lease import this_process; print(this_process(), flush=True); sys.stdin.read()"
)


def start() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PRINT_AND_WAIT]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_process_has_not_ended_while_it_lasts() -> None:
    assert not has_ended(this_process())
    with start() as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert not has_ended(name)
        assert is_running(name)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert has_ended(name), "killed, and nobody has asked for its exit code"
        process.wait()
        assert has_ended(name)
        assert not is_running(name)


def test_another_process_with_the_same_number_is_not_the_same() -> None:
    boot, namespace, number, started = this_process().split()
    assert has_ended(f"{boot} {namespace} {number} {int(started) - 1}")


@pytest.mark.parametrize("part", [0, 1])
def test_nothing_is_known_of_other_machines_and_containers(part: int) -> None:
    parts = [*this_process().split()[:2], "999999999", "1"]
    assert has_ended(" ".join(parts))
    parts[part] = "another"
    assert not has_ended(" ".join(parts))


def test_an_unnamed_process_may_still_be_there() -> None:
    assert not has_ended("")
    assert not is_running("")


def test_times_are_in_utc() -> None:
    assert iso(1_700_000_000.9) == "2023-11-14T22:13:20Z"
