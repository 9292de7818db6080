"""Connections to one libvirt: kept alive, reused, each used by one thread at a time, and reopened after they break.

One thread at a time, because libvirt's client cannot cope with more: if a host stops responding while several threads
wait on one connection, one of them gets an error and the others wait forever, or the process crashes (seen with 9.0);
and a host that is working on five calls of one connection reads nothing more from it, keep-alive messages included.
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
    """A silent host gets a keep-alive message every `interval_s` seconds; after `misses` without a reply it is down."""

    interval_s: int = 5
    misses: int = 3


@dataclass(slots=True, eq=False)
class OpenConnection:
    """One open connection, and the pools looked up on it: libvirt's handles belong to the connection they came from."""

    handle: libvirt.virConnect
    pools: dict[str, libvirt.virStoragePool] = field(default_factory=dict)

    def pool(self, name: str) -> libvirt.virStoragePool:
        """Raises: libvirtError if there is no such pool."""
        if name not in self.pools:
            self.pools[name] = self.handle.storagePoolLookupByName(name)
        return self.pools[name]


class Connection:
    """The connections to `uri`, a host that messages call `name`: as many as threads use at the same time."""

    def __init__(self, uri: str, name: str, keep_alive: KeepAlive) -> None:
        self.uri, self.name = uri, name
        self._keep_alive = keep_alive
        self._idle: list[OpenConnection] = []
        self._lock = threading.Lock()
        self._between_pools = threading.Lock()
        self._of_thread = threading.local()
        self._failure: Unavailable | None = None
        self._retry_at = 0.0

    @contextmanager
    def asking(self, doing: str) -> Iterator[libvirt.virConnect]:
        """libvirt's handle, for calls whose failures are raised as the provider's errors. Nested blocks of one thread
        get the same handle. No other thread may use it.

        Raises: Unavailable if the host does not answer; ProviderError.
        """
        with self.opened(doing) as connection:
            yield connection.handle

    @contextmanager
    def opened(self, doing: str) -> Iterator[OpenConnection]:
        """As `asking`, with the pools looked up on the connection."""
        outer: OpenConnection | None = getattr(self._of_thread, "open_connection", None)
        if outer is not None:
            with self._explaining(doing, outer):
                yield outer
            return
        with self.opened_apart(doing) as connection:
            self._of_thread.open_connection = connection
            try:
                yield connection
            finally:
                self._of_thread.open_connection = None

    @contextmanager
    def opened_apart(self, doing: str) -> Iterator[OpenConnection]:
        """A connection that no other block gets at the same time, so that it may be passed to another thread. Raises:
        as `asking`."""
        connection = self._borrowed()
        try:
            with self._explaining(doing, connection):
                yield connection
        finally:
            with self._lock:
                self._idle.append(connection)

    @contextmanager
    def between_pools(self) -> Iterator[None]:
        """For creating a volume from one in another pool: one such call at a time.

        libvirt locks both pools, the new volume's first. Two calls in opposite directions deadlock, and with them every
        caller that uses a pool, until the daemon is killed (seen with 9.0).
        """
        with self._between_pools:
            yield

    def close(self) -> None:
        """Closes the connections that are not in use; the next use opens new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            if connection.handle.isAlive():
                connection.handle.close()

    @contextmanager
    def _explaining(self, doing: str, connection: OpenConnection) -> Iterator[None]:
        try:
            yield
        except libvirt.libvirtError as error:
            raise explained(error, doing, self.name, lost=not connection.handle.isAlive()) from error

    def _borrowed(self) -> OpenConnection:
        """A connection that is alive as far as we know: an idle one, or a new one.

        New ones are opened one after the other, because a host rejects some of many simultaneous handshakes. A host
        that could not be reached is not tried again for as long as the attempt took, so that at most half of the time
        is spent waiting for it. Raises: Unavailable.
        """
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.handle.isAlive():
                    return connection
            return OpenConnection(self._opened())

    def _opened(self) -> libvirt.virConnect:
        started = time.monotonic()
        if self._failure is not None and started < self._retry_at:
            raise Unavailable(self._failure.message, self._failure.remedy) from self._failure
        prepare()
        try:
            handle = libvirt.open(self.uri)
            self._keep(handle)
        except libvirt.libvirtError as error:
            now = time.monotonic()
            self._retry_at = now + (now - started)
            self._failure = unreachable(self.uri, self.name, str(error))
            raise self._failure from error
        self._failure = None
        return handle

    def _keep(self, handle: libvirt.virConnect) -> None:
        try:
            handle.setKeepAlive(*self._keep_alive)
        except libvirt.libvirtError as error:
            if not is_unsupported(error):  # a driver inside this process has no peer to lose
                raise
