"""Orders for the child: limits, and the walls around it, made ready here where there is time and room for it."""

from __future__ import annotations

import marshal
import os
import resource
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reconciler.providers.image_files.jail import landlock, seccomp, syscalls
from reconciler.providers.image_files.jail.programs import interpreter, libraries
from reconciler.providers.image_files.jail.terms import Limits, Wall

_SIGPIPE, _SIGXFSZ = 13, 25
_NEW_USER, _NEW_NETWORK, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_FILES_OF_OTHERS = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: a descriptor of another user's file is opened again
_ENVIRONMENT = (b"LC_ALL=C", b"MALLOC_ARENA_MAX=4")
_COUNTED_BY_NAMESPACE = (5, 14)
"""The Linux from which a user's threads are counted in each user namespace by themselves."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a child has to do, and the walls that stand once it has done so."""

    text: str
    descriptors: tuple[int, ...]
    certain: frozenset[Wall]


@contextmanager
def orders(
    program: str, descriptors: Sequence[int], limits: Limits, walls: Collection[Wall], report: int
) -> Iterator[Orders]:
    """Orders for one child that starts in the block. Raises: OSError."""
    rules = _rules(program, descriptors) if Wall.LANDLOCK in walls and landlock.abi() else None
    filtered = Wall.SECCOMP in walls and seccomp.available()
    try:
        content: dict[str, Any] = {
            "parent": os.getpid(),
            "report": report,
            "signals": [_SIGPIPE, _SIGXFSZ],
            "limits": _limits(limits),
            "threads": limits.threads if _kernel() >= _COUNTED_BY_NAMESPACE else None,
            "unshare": _namespaces() if Wall.NAMESPACES in walls else 0,
            "capabilities": _FILES_OF_OTHERS,
            "landlock": rules,
            "filter": seccomp.program() if filtered else [],
            "execve": syscalls.EXECVE[seccomp.column()],
            "environment": _ENVIRONMENT,
        }
        certain = {Wall.LANDLOCK: rules is not None, Wall.SECCOMP: filtered}
        yield Orders(
            marshal.dumps(content).hex(),
            (*descriptors, report, *([] if rules is None else [rules])),
            frozenset(wall for wall, stands in certain.items() if stands),
        )
    finally:
        if rules is not None:
            os.close(rules)


def _rules(program: str, descriptors: Sequence[int]) -> int:
    if not program:
        return landlock.ruleset(descriptors, (), ())
    loader = interpreter(program)
    return landlock.ruleset(descriptors, libraries(program), [program, *([loader] if loader else [])])


def _limits(limits: Limits) -> list[tuple[int, int, int]]:
    """(which, soft, hard): the signal at the soft limit of processor time is one of its own."""
    return [
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_AS, limits.memory, limits.memory),
        (resource.RLIMIT_CPU, limits.processor_s, limits.processor_s + 5),
        (resource.RLIMIT_FSIZE, limits.file_size, limits.file_size),
        (resource.RLIMIT_NOFILE, limits.open_files, limits.open_files),
    ]


def _namespaces() -> int:
    """Only a user namespace lets others than root have one of the network. Root's would take away the right to open
    descriptors of other users' files again."""
    return _NEW_NETWORK | _NEW_IPC | (0 if os.geteuid() == 0 else _NEW_USER)


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdigit())
