"""A filter of system calls: no sockets, no other process, no other program than the one that was asked for.

Source: Documentation/userspace-api/seccomp_filter.rst, include/uapi/linux/seccomp.h and bpf_common.h of Linux.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator

from reconciler.providers.image_files.jail import syscalls

Instruction = tuple[int, int, int, int | str]
"""Code, jump if true, jump if false, and a number, or the name of one that is only known where the filter is installed:
`pid`, and `path` for the address of the program's name, whose upper half is `path_high`."""

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Name -> column of the tables, and AUDIT_ARCH_*."""

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_CLONE_THREAD = 0x00010000
_SET_SECCOMP, _MODE_FILTER = 22, 2


def available() -> bool:
    """Whether this kernel filters system calls, and these tables know its architecture."""
    if os.uname().machine not in _ARCHITECTURES or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    ctypes.CDLL(None, use_errno=True).prctl(_SET_SECCOMP, _MODE_FILTER, None, 0, 0)
    return ctypes.get_errno() == errno.EFAULT  # it looked for a filter, and there was none


def column() -> int:
    """That of this machine's architecture in the tables."""
    return _ARCHITECTURES.get(os.uname().machine, (0, 0))[0]


def program() -> list[Instruction]:
    """The filter for this machine's architecture."""
    mine, architecture = _ARCHITECTURES[os.uname().machine]
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
        *_answer(_GREATER, syscalls.LAST_KNOWN, _ERRNO | errno.ENOSYS),  # x32's numbers are greater as well
        *_table(syscalls.ABSENT, mine, _ERRNO | errno.ENOSYS),
        *(step for table in syscalls.REFUSED for step in _table(table, mine, _ERRNO | errno.EPERM)),
        *_answer(_EQUAL, syscalls.EXECVEAT[mine], _KILL_PROCESS),
        *_only(syscalls.EXECVE[mine], 0, "path", _KILL_PROCESS, "path_high"),
        *_only(syscalls.TGKILL[mine], 0, "pid", _ERRNO | errno.EPERM),
        *_only(syscalls.PRLIMIT[mine], 0, 0, _ERRNO | errno.EPERM),
        *_threads_only(syscalls.CLONE[mine]),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _table(numbers: syscalls.Numbers, column: int, answer: int) -> Iterator[Instruction]:
    for row in numbers.values():
        number = row[column]
        if number is not None:
            yield from _answer(_EQUAL, number, answer)


def _answer(comparison: int, number: int, answer: int) -> list[Instruction]:
    return [(comparison, 0, 1, number), (_RETURN, 0, 0, answer)]


def _only(
    number: int, argument: int, value: int | str, otherwise: int, high: int | str | None = None
) -> list[Instruction]:
    """Allows a call only with this value of an argument: of its lower half, or of both if `high` is given."""
    lower = _ARGUMENTS + 8 * argument
    halves: list[Instruction] = [(_LOAD, 0, 0, lower), (_EQUAL, 1, 0, value), (_RETURN, 0, 0, otherwise)]
    if high is not None:
        halves += [(_LOAD, 0, 0, lower + 4), (_EQUAL, 1, 0, high), (_RETURN, 0, 0, otherwise)]
    return [(_EQUAL, 0, len(halves) + 1, number), *halves, (_RETURN, 0, 0, _ALLOW)]


def _threads_only(number: int) -> list[Instruction]:
    refused = _ERRNO | errno.EPERM
    return [
        (_EQUAL, 0, 3, number),
        (_LOAD, 0, 0, _ARGUMENTS),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, refused),
    ]
