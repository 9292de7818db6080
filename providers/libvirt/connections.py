"""One connection to one libvirt, for all threads: made when first used, kept alive, and made again after it broke."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import libvirt

from providers.errors import Unavailable
from providers.libvirt.failures import explained, is_unsupported
from providers.libvirt.library import prepare


class KeepAlive(NamedTuple):
    """A host that is silent is asked every `interval_s` seconds; after `questions` without answer it is down."""

    interval_s: int = 5
    questions: int = 3


class Connection:
    """The connection to `uri`, which people call `name`."""

    def __init__(self, uri: str, name: str, keep_alive: KeepAlive) -> None:
        self.uri, self.name = uri, name
        self._keep_alive = keep_alive
        self._handle: libvirt.virConnect | None = None
        self._lock = threading.Lock()
        self._failure: Unavailable | None = None
        self._asked_again_at = 0.0

    def handle(self) -> libvirt.virConnect:
        """libvirt's connection, which is alive as far as anybody knows.

        A host that could not be reached is left alone for as long as the attempt took, so that no more than half of
        the time goes into waiting for it. Raises: Unavailable.
        """
        with self._lock:
            if self._handle is None or not self._handle.isAlive():
                self._handle = None
                self._handle = self._opened()
            return self._handle

    @contextmanager
    def asking(self, doing: str) -> Iterator[libvirt.virConnect]:
        """The handle, for calls whose failures are raised as the provider's errors. Raises: ProviderError."""
        handle = self.handle()
        try:
            yield handle
        except libvirt.libvirtError as error:
            raise explained(error, doing, self.name, lost=not handle.isAlive()) from error

    def close(self) -> None:
        """Lets go of the connection, which the next use would make again."""
        with self._lock:
            handle, self._handle = self._handle, None
        if handle is not None and handle.isAlive():
            handle.close()

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
            self._failure = Unavailable(
                f"{self.name} cannot be reached: {error}",
                f"see that the host is up and that this works: virsh -c '{self.uri}' pool-list",
            )
            raise self._failure from error
        self._failure = None
        return handle

    def _keep(self, handle: libvirt.virConnect) -> None:
        try:
            handle.setKeepAlive(*self._keep_alive)
        except libvirt.libvirtError as error:
            if not is_unsupported(error):  # a driver inside this process has nobody to miss
                raise
