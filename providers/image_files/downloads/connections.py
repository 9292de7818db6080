"""TLS connections to addresses that were checked, and a watch that ends those that are too slow."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.providers.errors import ProviderError
from reconciler.providers.image_files.downloads.hosts import addresses, named_host
from reconciler.providers.image_files.downloads.limits import Limits


class CheckedConnection(http.client.HTTPSConnection):
    """An https connection to one of the given addresses of a host, whose certificate is that of the host's name. It
    knows no proxy, and the name is not looked up again, so that the address that was checked is the one connected to.
    """

    def __init__(self, host: str, port: int, numbers: Sequence[str], context: ssl.SSLContext, limits: Limits) -> None:
        super().__init__(host, port, timeout=limits.silence_s, context=context)
        self._numbers = numbers
        self._limits = limits
        self._tls = context

    def connect(self) -> None:
        """Raises: OSError, that of the last address."""
        problem: OSError | None = None
        for number in self._numbers:
            try:
                plain = socket.create_connection((number, self.port), self.timeout)
            except OSError as error:
                problem = error
                continue
            try:
                with watched(plain, self._limits, lambda: 0):
                    self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
            except BaseException:
                plain.close()
                raise
            return
        raise problem or OSError("no address")


def connection_to(
    host: str, port: int, allowed: Mapping[str, Path | None], limits: Limits, label: str
) -> CheckedConnection:
    """A connection, not yet open. Raises: SourceError if the host may not be connected to; Unavailable; ProviderError
    if the certificate that the settings name cannot be read."""
    numbers = addresses(host, port, allowed, label)
    authority = allowed.get(named_host(host, port))
    try:
        context = ssl.create_default_context(cafile=str(authority) if authority is not None else None)
    except (OSError, ssl.SSLError) as error:
        raise ProviderError(
            f"the certificate '{authority}' of the host '{host}' cannot be read: {error}",
            "correct `downloads.hosts` in the settings of whoever runs this",
        ) from error
    return CheckedConnection(host, port, numbers, context, limits)


@contextmanager
def watched(connection: socket.socket, limits: Limits, received: Callable[[], int]) -> Iterator[None]:
    """Ends an open connection that brings too little for too long: what reads from it then fails. `received` is the
    number of bytes so far."""
    ended = threading.Event()
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        arguments = (same, limits, received, ended)
        watch = threading.Thread(target=_watch, args=arguments, name="download-watch", daemon=True)
        watch.start()
        try:
            yield
        finally:
            ended.set()
            watch.join()


def _watch(same: socket.socket, limits: Limits, received: Callable[[], int], ended: threading.Event) -> None:
    before = received()
    while not ended.wait(limits.window_s):
        now = received()
        if now - before < limits.least:
            try:
                same.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed already
                return
            return
        before = now
