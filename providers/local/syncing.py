"""Makes what was written durable, for many writers with one flush."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable


class _Flush:
    """One syncfs that several threads wait for."""

    __slots__ = ("done", "error", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.done = threading.Event()
        self.error: OSError | None = None


class Flusher:
    """Flushes whole file systems. Threads that ask while a flush runs share the next one, so that many small objects
    made at a time cost a few flushes and not several each.

    Keeps one descriptor open for each file system: the kernel reports a failed write-back once to each descriptor that
    was open then, and so none is missed.
    """

    def __init__(self) -> None:
        self._syncfs = ctypes.CDLL(None, use_errno=True).syncfs
        self._lock = threading.Lock()
        self._descriptors: dict[int, int] = {}
        self._next: dict[int, _Flush] = {}
        self._turns: dict[int, threading.Lock] = {}

    def watch(self, fd: int) -> int:
        """The device `fd` is on, from now on watched for failed writes. To be called before writing there."""
        device = os.fstat(fd).st_dev
        with self._lock:
            if device not in self._descriptors:
                self._descriptors[device] = os.dup(fd)
                self._turns[device] = threading.Lock()
        return device

    def flush(self, devices: Iterable[int]) -> dict[int, OSError]:
        """Returns when all that was written before the call is durable; by device, what failed."""
        failed = {}
        for device in sorted(set(devices)):
            error = self._flush_one(device)
            if error is not None:
                failed[device] = error
        return failed

    def _flush_one(self, device: int) -> OSError | None:
        with self._lock:
            mine = self._next.get(device)
            leading = mine is None
            if mine is None:
                mine = self._next[device] = _Flush(self._descriptors[device])
        if not leading:
            mine.done.wait()
            return mine.error
        with self._turns[device]:  # the flush that runs now began too early for us
            with self._lock:
                del self._next[device]
            if self._syncfs(mine.fd):
                number = ctypes.get_errno()
                mine.error = OSError(number, os.strerror(number))
        mine.done.set()
        return mine.error

    def close(self) -> None:
        with self._lock:
            for fd in self._descriptors.values():
                os.close(fd)
            self._descriptors.clear()
