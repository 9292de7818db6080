"""Connections to one libvirt: kept alive and kept for the next who asks, each used by one thread at a time, and made
again after they broke.

One thread at a time, because libvirt's client cannot do with more: when a host falls silent while several threads wait
for answers on one connection, one of them is told and the others wait for ever, or the process crashes (seen with 9.0);
and a host that works on five calls of one connection reads nothing more from it, keep-alive messages included.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import libvirt

from reconciler.providers.errors import Unavailable
from reconciler.providers.libvirt.host.failures import explained, is_unsupported
from reconciler.providers.libvirt.host.library import prepare
from reconciler.providers.libvirt.host.ssh_advice import unreachable


class KeepAlive(NamedTuple):
    """A host that is silent is asked every `interval_s` seconds; after `questions` without answer it is down."""

    interval_s: int = 5
    questions: int = 3


@dataclass(slots=True, eq=False)
class Line:
    """One connection, and the pools that were found on it: libvirt's handles belong to the connection they came by."""

    handle: libvirt.virConnect
    pools: dict[str, libvirt.virStoragePool] = field(default_factory=dict)

    def pool(self, name: str) -> libvirt.virStoragePool:
        """Raises: libvirtError when there is no such pool."""
        if name not in self.pools:
            self.pools[name] = self.handle.storagePoolLookupByName(name)
        return self.pools[name]


class Connection:
    """The connections to `uri`, which people call `name`: as many as threads use at a time."""

    def __init__(self, uri: str, name: str, keep_alive: KeepAlive) -> None:
        self.uri, self.name = uri, name
        self._keep_alive = keep_alive
        self._idle: list[Line] = []
        self._lock = threading.Lock()
        self._crossing = threading.Lock()
        self._of_thread = threading.local()
        self._failure: Unavailable | None = None
        self._asked_again_at = 0.0

    @contextmanager
    def asking(self, doing: str) -> Iterator[libvirt.virConnect]:
        """libvirt's handle, for calls whose failures are raised as the provider's errors; inside the block, and inside
        others of this thread within it, it is always the same one. No other thread may use it.

        Raises: Unavailable when the host does not answer; ProviderError.
        """
        with self.line(doing) as line:
            yield line.handle

    @contextmanager
    def line(self, doing: str) -> Iterator[Line]:
        """As `asking`, the whole line."""
        outer: Line | None = getattr(self._of_thread, "line", None)
        if outer is not None:
            with self._explaining(doing, outer):
                yield outer
            return
        with self.line_apart(doing) as line:
            self._of_thread.line = line
            try:
                yield line
            finally:
                self._of_thread.line = None

    @contextmanager
    def line_apart(self, doing: str) -> Iterator[Line]:
        """A line that nobody else gets inside the block, so that it may be given to another thread. Raises: as
        `asking`."""
        line = self._borrowed()
        try:
            with self._explaining(doing, line):
                yield line
        finally:
            with self._lock:
                self._idle.append(line)

    @contextmanager
    def crossing(self) -> Iterator[None]:
        """For making a volume of one pool from another pool's: one such call at a time.

        libvirt locks both pools, the new volume's first. Two calls in opposite directions wait for each other for ever,
        and with them everybody who asks for a pool, until the daemon is killed (seen with 9.0).
        """
        with self._crossing:
            yield

    def close(self) -> None:
        """Lets go of the connections that nobody uses; the next use would make new ones."""
        with self._lock:
            lines, self._idle = self._idle, []
        for line in lines:
            if line.handle.isAlive():
                line.handle.close()

    @contextmanager
    def _explaining(self, doing: str, line: Line) -> Iterator[None]:
        try:
            yield
        except libvirt.libvirtError as error:
            raise explained(error, doing, self.name, lost=not line.handle.isAlive()) from error

    def _borrowed(self) -> Line:
        """A line that is alive as far as anybody knows: one that is idle, or a new one.

        They are made one after the other, as a host that has to greet many at once turns some away. One that could not
        be reached is left alone for as long as the attempt took, so that no more than half of the time goes into
        waiting for it. Raises: Unavailable.
        """
        with self._lock:
            while self._idle:
                line = self._idle.pop()
                if line.handle.isAlive():
                    return line
            return Line(self._opened())

    def _opened(self) -> libvirt.virConnect:
        started = time.monotonic()
        if self._failure is not None and started < self._asked_again_at:
            raise Unavailable(self._failure.message, self._failure.remedy) from self._failure
        prepare()
        try:
            handle = libvirt.open(self.uri)
            self._keep(handle)
        except libvirt.libvirtError as error:
            now = time.monotonic()
            self._asked_again_at = now + (now - started)
            self._failure = unreachable(self.uri, self.name, str(error))
            raise self._failure from error
        self._failure = None
        return handle

    def _keep(self, handle: libvirt.virConnect) -> None:
        try:
            handle.setKeepAlive(*self._keep_alive)
        except libvirt.libvirtError as error:
            if not is_unsupported(error):  # a driver inside this process has nobody to miss
                raise
