"""Makes what was written durable, for many writers with one flush.

A file with fsync costs a journal commit each, and a region needs four: one syncfs for all regions of an operation, and
for all operations that are waiting at the moment, costs as much as one of them. The price is that it also waits for
what other programs have written to that file system.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache


class _Flush:
    """One flush that several threads wait for."""

    __slots__ = ("done", "error")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.error: OSError | None = None


_lock = threading.Lock()
_collecting: dict[int, _Flush] = {}
_turns: dict[int, threading.Lock] = {}


def flush(fd: int) -> None:
    """Returns when everything written before the call to the file system that `fd` is on is durable.

    `fd` has to be open since before the writing: then the kernel tells it of every failed one. Raises: OSError.
    """
    device = os.fstat(fd).st_dev
    with _lock:
        mine = _collecting.get(device)
        leading = mine is None
        if mine is None:
            mine = _collecting[device] = _Flush()
        turn = _turns.setdefault(device, threading.Lock())
    if leading:
        _lead(mine, fd, device, turn)
    else:
        mine.done.wait()
    if mine.error is not None:
        raise OSError(mine.error.errno, mine.error.strerror)


def _lead(mine: _Flush, fd: int, device: int, turn: threading.Lock) -> None:
    """Waits for the flush that runs, which began too early for those who wait here, and then does the next."""
    with turn:
        with _lock:
            del _collecting[device]
        try:
            _flush_file_system()(fd)
        except OSError as error:
            mine.error = error
            with _lock:  # those who wait for the next may have written before this one failed
                if (waiting := _collecting.get(device)) is not None:
                    waiting.error = error
        finally:
            mine.done.set()


@cache
def _flush_file_system() -> Callable[[int], None]:
    """The system's syncfs; where there is none, a flush of everything."""
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (AttributeError, OSError):
        return lambda _: os.sync()

    def call(fd: int) -> None:
        if syncfs(fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return call
