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
_running: WeakSet[RunningEmulator] = WeakSet()
_released = threading.Event()


def keep_quiet_in_forks(emulator: RunningEmulator) -> None:
    """From now on, its thread waits while this process forks."""
    if not _running:
        _released.set()
    _running.add(emulator)


def _pause() -> None:
    _released.clear()
    for loop in _loops():
        waits = threading.Event()

        def wait(waits: threading.Event = waits) -> None:
            waits.set()
            _released.wait(_PATIENCE_S)

        loop.call_soon_threadsafe(wait)
        waits.wait(_PATIENCE_S)
    until = time.monotonic() + _PATIENCE_S
    while len(os.listdir("/proc/self/task")) > threading.active_count() and time.monotonic() < until:
        time.sleep(0.001)


def _loops() -> list[asyncio.AbstractEventLoop]:
    servers = [server for emulator in list(_running) for server in emulator._listener._server.servers]
    return [server.get_loop() for server in servers if server.is_serving()]


os.register_at_fork(before=_pause, after_in_parent=_released.set)
