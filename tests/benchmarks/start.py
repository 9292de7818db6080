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


def measure_start(folder: Path, rounds: int = ROUNDS) -> StartCosts:
    """The medians of several starts, after one that fills the byte code caches."""
    progress("start-up")
    run([reconciler(), "--help"], folder)
    helped = middle(rounds, lambda: run([reconciler(), "--help"], folder))
    return StartCosts(helped, middle(rounds, lambda: run([sys.executable, "-c", "pass"], folder)))
