"""What only a process of its own shows: what is imported, signals, pipes that break."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.applying.context import Interrupt
from reconciler.cli.app import run
from reconciler.cli.interrupts import Signals
from reconciler.cli.session import colors_wanted

BACKENDS = {"azure", "cryptography", "jwt", "msal", "starlette", "trustme", "uvicorn"}
HEAVY = {"pydantic", "yaml", "networkx", "deepdiff", "rich"} | BACKENDS
IMPORTED = """
import sys
from reconciler.cli.app import run
code = run(sys.argv[1:])
print(code, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def imported(folder: Path, *words: str) -> set[str]:
    """The top-level modules that a command brings in; it must succeed."""
    answer = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    code, *names = answer.stderr.splitlines()[-1].split()
    assert code == "0", answer.stderr
    return set(names)


@pytest.fixture
def applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "project"
    assert run(["init", str(folder)]) == 0
    assert run(["apply", "--auto-approve", "--project", str(folder)]) == 0
    capsys.readouterr()
    return folder


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    found = imported(tmp_path, "--help")
    assert found & HEAVY == set()
    assert "sqlite3" not in found
    assert "typer" in found


@pytest.mark.parametrize(
    "words", [["plan"], ["plan", "--detailed-exitcode"], ["plan", "--json"], ["plan", "--format", "markdown"]]
)
def test_a_plan_with_nothing_to_do_imports_nothing_heavy(applied: Path, words: list[str]) -> None:
    assert imported(applied, *words) & HEAVY == set()


@pytest.mark.parametrize("words", [["plan"], ["apply", "--auto-approve"], ["validate"], ["schema"]])
def test_only_who_uses_a_backend_loads_its_libraries(tmp_path: Path, words: list[str]) -> None:
    assert run(["init", str(tmp_path / "project")]) == 0
    assert imported(tmp_path / "project", *words) & BACKENDS == set()


def test_drift_that_finds_nothing_imports_nothing_heavy(applied: Path) -> None:
    assert imported(applied, "drift") & HEAVY == set()


def test_the_module_runs_like_the_program(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "reconciler", "plan"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert "reconciler init" in answer.stderr


@pytest.mark.parametrize(("words", "code"), [("--help", 1), ("graph", 0), ("schema", 0), ("plan --json", 0)])
def test_a_reader_that_leaves_causes_no_error(applied: Path, words: str, code: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "reconciler", *words.split()]
    process = subprocess.Popen(command, cwd=applied, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    _, told = process.communicate(timeout=60)
    assert told == ""
    assert process.returncode == code


@pytest.fixture
def handlers() -> Iterator[None]:
    """Sees that the handlers are afterwards what they were."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    yield
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_anything_is_started_a_signal_stops_the_command(number: signal.Signals) -> None:
    interrupt = Interrupt()
    with pytest.raises(KeyboardInterrupt), Signals(interrupt):
        signal.raise_signal(number)
    assert interrupt.count == 1


@pytest.mark.usefixtures("handlers")
def test_a_signal_whose_exception_was_lost_still_keeps_everything_from_being_started() -> None:
    """Python drops what is raised in some callbacks, as in those that release the locks of imports."""
    interrupt = Interrupt()
    with Signals(interrupt) as signals:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signals.arm()


IMPORTING = """
import signal, sys
from importlib.abc import MetaPathFinder
class Signalling(MetaPathFinder):
    left = int(sys.argv.pop(1))
    number = int(sys.argv.pop(1))
    def find_spec(self, name, path, target=None):
        Signalling.left -= 1
        if Signalling.left == 0:
            signal.raise_signal(Signalling.number)
import reconciler.cli.interrupts
sys.meta_path.insert(0, Signalling())
from reconciler.__main__ import main
main()
"""


def signalled_at_import(folder: Path, at: int, number: signal.Signals, *words: str) -> subprocess.CompletedProcess[str]:
    """A command that gets a signal when it imports its module number `at`."""
    command = [sys.executable, "-c", IMPORTING, str(at), str(number.value), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [2, 30, 120])
def test_a_signal_while_the_program_loads_ends_it_without_a_traceback(
    tmp_path: Path, at: int, number: signal.Signals
) -> None:
    answer = signalled_at_import(tmp_path, at, number, "validate")
    assert (answer.returncode, answer.stdout) == (130, "")
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("at", range(60, 600, 90))
def test_whatever_is_loaded_when_a_signal_comes_an_apply_stops_or_is_done(project: Path, at: int) -> None:
    answer = signalled_at_import(project, at, signal.SIGINT, "apply", "--auto-approve")
    assert "Traceback" not in answer.stderr
    pending = run(["plan", "--detailed-exitcode", "--project", str(project)])
    assert (answer.returncode, pending) in {(130, 2), (0, 0)}


@pytest.mark.usefixtures("handlers")
def test_while_objects_change_signals_are_counted_and_the_third_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    interrupt = Interrupt()
    with Signals(interrupt) as signals:
        signals.arm()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert (interrupt.count, left) == (2, [])
        signal.raise_signal(signal.SIGINT)
    assert left == [130]


SLOW = """
import sys, threading, time
from pathlib import Path
from reconciler.providers.local.provider import LocalProvider
original = LocalProvider.begin
def slow(self, operation, progress):
    if operation.unit.version:
        Path("begun").touch()
        while not Path("go-on").exists():
            time.sleep(0.01)
    return original(self, operation, progress)
LocalProvider.begin = slow
from reconciler.cli.app import main
main()
"""


SECOND_VERSION = """---
kind: ImageVersion
image: corp/hello
name: 1.0.1
source: {version: corp/hello/1.0.0}
"""


def start_slow(folder: Path, *options: str) -> subprocess.Popen[str]:
    """An apply that has begun a version, and goes on with it once a file `go-on` is there."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "apply", "--auto-approve", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not (folder / "begun").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "project"
    assert run(["init", str(folder)]) == 0
    capsys.readouterr()
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_running_operations_finish(project: Path, number: signal.Signals) -> None:
    with (project / "manifests" / "hello.yaml").open("a") as file:
        file.write(SECOND_VERSION)
    process = start_slow(project, "--parallelism", "1")
    process.send_signal(number)
    time.sleep(0.3)
    assert process.poll() is None
    (project / "go-on").touch()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "waiting for 1 running operation" in out
    assert "created   corp/hello/1.0.0" in out
    assert "Interrupted" in out
    assert "Run apply again for the rest" in out
    assert run(["apply", "--auto-approve", "--project", str(project)]) == 0
    assert run(["plan", "--detailed-exitcode", "--project", str(project)]) == 0


def test_a_signal_during_the_last_operation_interrupts_nothing(project: Path) -> None:
    process = start_slow(project)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    (project / "go-on").touch()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "Interrupted" not in out
    assert "Done: " in out
    assert "rest" not in out
    assert run(["plan", "--detailed-exitcode", "--project", str(project)]) == 0


def test_the_second_signal_leaves_at_once_and_the_next_apply_finishes(project: Path) -> None:
    process = start_slow(project)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130, err
    assert "Still running: corp/hello/1.0.0. The next apply picks them up." in out
    assert run(["apply", "--auto-approve", "--project", str(project)]) == 0
    assert run(["plan", "--detailed-exitcode", "--project", str(project)]) == 0


def test_colours_are_refused_by_option_environment_and_poor_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert colors_wanted(no_color=False)
    assert not colors_wanted(no_color=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colors_wanted(no_color=False)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not colors_wanted(no_color=False)
