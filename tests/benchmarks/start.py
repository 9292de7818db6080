"""Start-up: `reconciler --help` against an interpreter that does nothing."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engines import reconciler
from benchmarks.measuring import Cost, middle, progress, run

ROUNDS = 15


@dataclass(frozen=True, slots=True)
class StartCosts:
    """What every command pays, and what the interpreter alone takes of it."""

    help: Cost
    interpreter: Cost


def measure_start(folder: Path) -> StartCosts:
    progress("start-up")
    run([reconciler(), "--help"], folder)  # the first run writes byte code
    helped = middle(ROUNDS, lambda: run([reconciler(), "--help"], folder))
    return StartCosts(helped, middle(ROUNDS, lambda: run([sys.executable, "-c", "pass"], folder)))
