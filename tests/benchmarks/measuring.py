"""Runs commands as whole processes and says how long they took and how much memory they held."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MIB = 1 << 20
OWN_ENVIRONMENT = {"NO_COLOR": "1", "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


def _environment() -> dict[str, str]:
    """This process's, but for what would keep Python from using compiled files, as an installed program does."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **OWN_ENVIRONMENT}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: wall time, and the greatest resident size in MiB of it or a child of its.

    Linux counts what the measuring process held when it started the other, some 20 MiB: no peak is below that.
    """

    seconds: float
    peak_mib: float


class CommandFailed(Exception):
    """A measured command ended with an exit code that is not the expected one; the message holds what it said."""


def progress(text: str) -> None:
    """Tells on the error stream what is being measured now."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def run(
    command: Sequence[str], directory: Path, *, expected: int = 0, environment: Mapping[str, str] | None = None
) -> Cost:
    """The cost of one run of `command` in `directory`. Raises: CommandFailed."""
    output = directory / ".output"
    with output.open("w+b") as file:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**_environment(), **(environment or {})},
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != expected:
            file.seek(0)
            said = file.read()[-2000:].decode(errors="replace")
            raise CommandFailed(f"{' '.join(command)}: exit code {process.returncode} instead of {expected}\n{said}")
    return Cost(seconds, usage.ru_maxrss * 1024 / MIB)


def middle(rounds: int, measure: Callable[[], Cost]) -> Cost:
    """The medians, time and memory each for itself, of several measurements."""
    return _medians([measure() for _ in range(rounds)])


def middles(rounds: int, ours: Callable[[], Cost], theirs: Callable[[], Cost]) -> tuple[Cost, Cost]:
    """The medians of two ways, measured in turns: what else the machine does meets both alike."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return _medians([pair[0] for pair in pairs]), _medians([pair[1] for pair in pairs])


def _medians(costs: Sequence[Cost]) -> Cost:
    return Cost(median(cost.seconds for cost in costs), median(cost.peak_mib for cost in costs))
