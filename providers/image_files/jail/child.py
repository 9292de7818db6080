"""The program between `fork` and `exec`: it shuts itself in, and then becomes the program that it was given.

Run as `python -I -S child.py ORDERS PROGRAM ARGUMENT...`; it imports only what starts in a few milliseconds, and
nothing of this package. ORDERS is a marshalled dictionary, in hexadecimal. To the descriptor `report` it writes `alone`
if it is in namespaces of its own, `-` if not, or `!` and why it gave up. Without a PROGRAM it ends there.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import sys
from struct import pack

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing takes longer than all the rest
    from typing import Any

_PDEATHSIG, _CAPBSET_DROP, _NO_NEW_PRIVS, _SET_SECCOMP = 1, 24, 38, 22
_MODE_FILTER, _SIGKILL, _DEFAULT = 2, 9, 0
_LANDLOCK_RESTRICT_SELF = 446
_LAST_CAPABILITY = 63
_NPROC = resource.RLIMIT_NPROC
_LIBRARY = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Never returns."""
    orders = marshal.loads(bytes.fromhex(sys.argv[1]))  # noqa: S302 - our own parent wrote it
    os.set_inheritable(orders["report"], False)
    try:
        _become(orders, [os.fsencode(argument) for argument in sys.argv[2:]])
    except OSError as error:
        os.write(orders["report"], f"!{error.strerror}".encode())
    os._exit(126)


def _become(orders: dict[str, Any], arguments: list[bytes]) -> None:
    for number in orders["signals"]:
        _LIBRARY.signal(number, _DEFAULT)  # Python ignores them, and the program would inherit that
    alone = bool(orders["unshare"]) and _LIBRARY.unshare(orders["unshare"]) == 0
    _limit(orders["limits"], orders["threads"] if alone else None)
    _drop_capabilities(orders["capabilities"])
    _checked(_LIBRARY.prctl(_NO_NEW_PRIVS, *_long(1, 0, 0, 0)))
    _checked(_LIBRARY.prctl(_PDEATHSIG, *_long(_SIGKILL, 0, 0, 0)))
    if os.getppid() != orders["parent"]:  # it died before it could be followed
        os._exit(126)
    if orders["landlock"] is not None:
        _checked(_LIBRARY.syscall(*_long(_LANDLOCK_RESTRICT_SELF, orders["landlock"], 0)))
        os.close(orders["landlock"])
    path = ctypes.create_string_buffer(arguments[0] if arguments else b"")
    if orders["filter"]:
        _filter(orders["filter"], ctypes.addressof(path))
    os.write(orders["report"], b"alone" if alone else b"-")
    if arguments:
        _execute(orders["execve"], path, arguments, orders["environment"])
    os._exit(0)


def _limit(limits: list[tuple[int, int, int]], threads: int | None) -> None:
    """Sets limits, never above those that hold already. That of threads counts them in an own namespace only."""
    if threads is not None:
        limits = [*limits, (_NPROC, threads, threads)]
    for what, soft, hard in limits:
        _, ceiling = resource.getrlimit(what)
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(what, (soft, hard))


def _drop_capabilities(kept: list[int]) -> None:
    """For a process of root. Whoever may not drop any has none that matters."""
    for number in range(_LAST_CAPABILITY + 1):
        if number not in kept:
            _LIBRARY.prctl(_CAPBSET_DROP, *_long(number, 0, 0, 0))


def _filter(instructions: list[tuple[int, int, int, int | str]], path: int) -> None:
    known: dict[int | str, int] = {"pid": os.getpid(), "path": path & 0xFFFFFFFF, "path_high": path >> 32}
    code = b"".join(pack("HBBI", *rest, known.get(last, last)) for *rest, last in instructions)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = pack("HxxxxxxQ", len(instructions), ctypes.addressof(buffer))
    _checked(_LIBRARY.prctl(_SET_SECCOMP, *_long(_MODE_FILTER), header, *_long(0, 0)))


def _execute(number: int, path: Any, arguments: list[bytes], environment: list[bytes]) -> None:
    """By the system call itself: only with this very address of the path does the filter let it through."""
    given = (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)
    variables = (ctypes.c_char_p * (len(environment) + 1))(*environment, None)
    _checked(_LIBRARY.syscall(*_long(number), path, given, variables))


def _long(*numbers: int) -> list[ctypes.c_long]:
    return [ctypes.c_long(number) for number in numbers]


def _checked(answer: int) -> None:
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
