"""Runs the real command many times in processes of their own, which are copies of one that has loaded it already."""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

SECONDS = 60
"""After that a process that waits is ended, by the kernel."""

CPU_S = 15
MEMORY = 2**30
_LOADED_ONCE = ("azure", "deepdiff", "libvirt", "networkx", "psycopg", "pydantic", "reconciler", "rich", "yaml")
_ROOM_FOR_ADDRESSES = 4 * 2**30


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: `code` is negative for a signal. `touched` are the paths outside of the project that Python
    was asked to open or list. `memory` is the most that it had, in bytes."""

    code: int
    output: str
    touched: tuple[str, ...]
    memory: int


class Commands:
    """A process that runs commands, one after the other."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def run(self, words: Sequence[str], project: Path, environment: Mapping[str, str], outside: Path) -> Ended:
        """Runs `reconciler` with these words in a project, and notes what it touches below `outside`."""
        output, touched = self._folder / "output", self._folder / "touched"
        order = [list(words), str(project), dict(environment), str(outside), str(output), str(touched)]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code, memory = json.loads(self._process.stdout.readline())
        text = output.read_bytes().decode("utf-8", "backslashreplace")
        return Ended(code, text, tuple(touched.read_text("utf-8", "surrogateescape").splitlines()), memory)


@contextmanager
def commands_in(folder: Path) -> Iterator[Commands]:
    """A process for commands, as long as this lasts; it writes to `folder`."""
    words = [sys.executable, "-P", str(Path(__file__).resolve())]
    environment = {**os.environ, "PYTHONPATH": ""}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True) as process:
        yield Commands(process, folder)
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    import reconciler.cli.app as app

    app.command_modules()

    for line in sys.stdin:
        words, project, environment, outside, output, touched = json.loads(line)
        gc.freeze()  # collections in the copies leave alone what is here
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _become(words, project, environment, outside, output, touched)
            _end(_code_of(app.main), writing)
        os.close(writing)
        _load(os.fdopen(reading).read().split())
        _, status, usage = os.wait4(pid, 0)
        sys.stdout.write(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024]) + "\n")
        sys.stdout.flush()


def _code_of(main: Callable[[], NoReturn]) -> int:
    try:
        main()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  shown, as the interpreter would
        traceback.print_exc()
        return 1


def _end(code: int, writing: int) -> NoReturn:
    """Ends this process as the interpreter would, without taking apart what it has a copy of; tells what it loaded."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(writing, " ".join(sys.modules).encode())
    os._exit(code)


def _load(names: Sequence[str]) -> None:
    """Loads what a command has loaded, so that the next ones need not."""
    for name in names:
        if name not in sys.modules and name.partition(".")[0] in _LOADED_ONCE:
            with suppress(ImportError):
                importlib.import_module(name)


def _become(
    words: list[str], project: str, environment: dict[str, str], outside: str, output: str, touched: str
) -> None:
    """Makes this process what a shell would have started in the project."""
    import signal

    os.setsid()
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (_ROOM_FOR_ADDRESSES, _ROOM_FOR_ADDRESSES))
    os.chdir(project)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["reconciler", *words]
    nothing = os.open(os.devnull, os.O_RDONLY)
    shown = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    noted = os.open(touched, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(nothing, 0)
    os.dup2(shown, 1)
    os.dup2(shown, 2)
    _note(outside, noted)


def _note(outside: str, noted: int) -> None:
    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir", "sqlite3.connect") and isinstance(arguments[0], str | bytes):
            if event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_NOFOLLOW:
                return  # fails where there is a link
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if path == outside or path.startswith(f"{outside}/"):
                os.write(noted, os.fsencode(path) + b"\n")

    sys.addaudithook(hook)


if __name__ == "__main__":
    _serve()
