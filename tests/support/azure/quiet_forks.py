"""Forks while an emulator runs in this process: its thread is outside of every library at that moment.

A child has copies of all locks, and nobody to release those that another thread held: OpenSSL's would stop its first
connection for ever. Threads that are just ending hold one, too, after Python has forgotten them.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from weakref import WeakSet

from reconciler.providers.emulator.server import RunningEmulator

_PATIENCE_S = 10
_ENDING_S = 0.5
_running: WeakSet[RunningEmulator] = WeakSet()
_released = threading.Event()
_least_unknown = 1000


def keep_quiet_in_forks(emulator: RunningEmulator) -> None:
    """From now on, its thread waits while this process forks."""
    global _least_unknown
    if not _running:
        _released.set()
    _running.add(emulator)
    _least_unknown = min(_least_unknown, _unknown_threads())


def _pause() -> None:
    _released.clear()
    for loop in _loops():
        waits = threading.Event()

        def wait(waits: threading.Event = waits) -> None:
            waits.set()
            _released.wait(_PATIENCE_S)

        loop.call_soon_threadsafe(wait)
        waits.wait(_PATIENCE_S)
    until = time.monotonic() + _ENDING_S
    while _unknown_threads() > _least_unknown and time.monotonic() < until:
        time.sleep(0.001)


def _unknown_threads() -> int:
    """How many threads the system knows and Python does not: of others, and those that are just ending."""
    return len(os.listdir("/proc/self/task")) - threading.active_count()


def _loops() -> list[asyncio.AbstractEventLoop]:
    servers = [server for emulator in list(_running) for server in emulator._listener._server.servers]
    return [server.get_loop() for server in servers if server.is_serving()]


os.register_at_fork(before=_pause, after_in_parent=_released.set)
