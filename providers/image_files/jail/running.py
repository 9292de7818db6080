"""Starts programs in the jail, watches the clock, and sees to it that nothing of them is left."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.providers.image_files.jail.orders import orders
from reconciler.providers.image_files.jail.terms import Limit, Limits, Result, Wall

MOST_OUTPUT = 8 << 10
"""So many bytes of what a program says are kept."""

_CHILD = str(Path(__file__).with_name("child.py"))
_PIECE = 64 << 10
_LIMIT_OF_SIGNAL = {-signal.SIGXCPU: Limit.PROCESSOR, -signal.SIGXFSZ: Limit.FILE_SIZE}
_NO_MEMORY = (
    "cannot allocate memory",
    "failed to allocate",
    "could not allocate",
    "out of memory",
    "failed to map segment",  # of a shared library
    "qemu_thread_create",  # of a thread's stack, by what QEMU calls it
)


class JailError(Exception):
    """The jail, or the program in it, could not be started; `str` says why."""


class Ended(Exception):
    """The program failed, or was killed, while something else went on; `result` says how."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result


class Jailed:
    """A program that runs in the jail. `start` makes it."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits, standing: frozenset[Wall]) -> None:
        self._process = process
        self._deadline = time.monotonic() + limits.time_s
        self._standing = standing
        self._output = b""
        self._late = False

    def check(self) -> None:
        """To be called now and then while something else goes on. Raises: Ended if the program failed or is too late;
        then it is gone."""
        if time.monotonic() >= self._deadline or self._process.poll():
            raise Ended(self.wait())

    def wait(self) -> Result:
        """How the program ended; if its time is over, it is killed."""
        self._read_output()
        try:
            self._process.wait(self._left_s())
        except subprocess.TimeoutExpired:
            self._late = True
            self.kill()
        code = self._process.returncode
        output = self._output.decode("utf-8", "replace")
        return Result(code, output, self._limit(code, output), self._standing)

    def kill(self) -> None:
        """Ends the program and all that it started, and waits until they are gone."""
        if self._process.returncode is None or Wall.SECCOMP not in self._standing:  # without it, it may have children
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _read_output(self) -> None:
        """Until the program closes it, or the time is over. What is too much is thrown away."""
        if self._process.stderr is None:
            return
        descriptor = self._process.stderr.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while (left := self._left_s()) > 0:
            if poll.poll(min(left, 3600) * 1000):
                piece = os.read(descriptor, _PIECE)
                if not piece:
                    break
                self._output = (self._output + piece)[:MOST_OUTPUT]

    def _left_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _limit(self, code: int, output: str) -> Limit | None:
        if self._late:
            return Limit.TIME
        if code and any(words in output.lower() for words in _NO_MEMORY):
            return Limit.MEMORY
        return _LIMIT_OF_SIGNAL.get(code)


def run(
    program: str,
    arguments: Sequence[str],
    descriptors: Sequence[int],
    limits: Limits,
    walls: Collection[Wall] = frozenset(Wall),
) -> Result:
    """Runs a program to its end. As `start`."""
    with start(program, arguments, descriptors, limits, walls) as jailed:
        return jailed.wait()


@contextmanager
def start(
    program: str,
    arguments: Sequence[str],
    descriptors: Sequence[int],
    limits: Limits,
    walls: Collection[Wall] = frozenset(Wall),
) -> Iterator[Jailed]:
    """Starts the program with this absolute path; it is gone when the block ends, and when this thread or process does.

    Of files it has those open as `descriptors`, named /dev/fd/N in `arguments`, to read or to write as they are open,
    and its libraries. Its environment is empty, its standard output thrown away. `walls` are those to raise, where the
    kernel has them.

    Raises: JailError.
    """
    try:
        process, standing = _started(program, arguments, descriptors, limits, walls)
    except OSError as error:
        raise JailError(error.strerror or str(error)) from error
    with process:
        jailed = Jailed(process, limits, standing)
        try:
            yield jailed
        finally:
            jailed.kill()


def _started(
    program: str, arguments: Sequence[str], descriptors: Sequence[int], limits: Limits, walls: Collection[Wall]
) -> tuple[subprocess.Popen[bytes], frozenset[Wall]]:
    reading, writing = os.pipe()
    try:
        with orders(program, descriptors, limits, walls, writing) as told:
            process = _spawn([told.text, *([program, *arguments] if program else [])], told.descriptors)
        os.close(writing)
        writing = -1
        return process, told.certain | _reported(process, reading)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def _spawn(arguments: list[str], descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise JailError("the path of this Python is unknown")
    needed = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}  # by some Pythons
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", _CHILD, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
        env=needed,
        cwd="/",
        start_new_session=True,
    )


def _reported(process: subprocess.Popen[bytes], reading: int) -> frozenset[Wall]:
    """The walls that the child raised by itself. Returns when it has become the program.

    Raises: JailError if it gave up.
    """
    report = b""
    try:
        while piece := os.read(reading, 256):
            report += piece
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if report and b"!" not in report:
        return frozenset({Wall.NAMESPACES} if report == b"alone" else ())
    _, output = process.communicate()
    why = report.partition(b"!")[2] or output[-200:] or b"it ended at once"
    raise JailError(" ".join(why.decode("utf-8", "replace").split()))
