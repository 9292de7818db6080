"""Walls, limits and results: what the jail takes and returns."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import Enum


class Wall(Enum):
    """What keeps a program in; each is used wherever the kernel has it, and holds without the others."""

    LANDLOCK = "landlock"
    SECCOMP = "seccomp"
    NAMESPACES = "namespaces"


class Limit(Enum):
    """What a program had too little of."""

    MEMORY = "memory"
    PROCESSOR = "processor time"
    FILE_SIZE = "file size"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a program may use: bytes of address space, seconds of processor time, bytes that a file may become
    long, seconds until it is killed, and numbers of open files and threads."""

    memory: int
    processor_s: int
    file_size: int
    time_s: float
    open_files: int = 256
    threads: int = 256


@dataclass(frozen=True, slots=True)
class Result:
    """How a program ended. `code` is its exit code, or the negative number of the signal that killed it; `output` is
    the beginning of what it wrote to its standard error, and `standing` the walls that were around it."""

    code: int
    output: str
    limit: Limit | None
    standing: frozenset[Wall]

    @property
    def signal(self) -> str:
        """The name of the signal that killed it, as `SIGSEGV`; empty if none did."""
        if self.code >= 0:
            return ""
        try:
            return signal.Signals(-self.code).name
        except ValueError:  # a real-time signal
            return f"signal {-self.code}"
