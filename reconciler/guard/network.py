"""Which connections leave the boundary: names are checked when they are resolved, addresses when they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from reconciler.manifests.words import quoted


class Network:
    """Loopback, the `hosts` that may be asked, and the addresses that their names were resolved to: no others may be
    connected to."""

    def __init__(self, hosts: Callable[[], Iterable[str]]) -> None:
        self._find_hosts = hosts
        self._addresses: set[str] = set()

    @cached_property
    def _hosts(self) -> frozenset[str]:
        return frozenset(host.lower() for host in self._find_hosts())

    def start(self) -> None:
        """Notes what names are resolved to from now on."""
        import _socket  # what `socket` asks in its turn; that takes ten times as long to import

        resolve = _socket.getaddrinfo

        def noting(host: Any, *more: Any, **named: Any) -> Any:
            found = resolve(host, *more, **named)
            self._addresses |= {str(entry[4][0]) for entry in found}
            return found

        setattr(_socket, "getaddrinfo", noting)  # noqa: B010  mypy knows no other way

    def resolve(self, host: Any, *_: Any) -> str:
        """Why this name must not be resolved; empty when it may."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "localhost")
        return "" if self._may(name) else f"asking for the address of {quoted(name)}"

    def connect(self, _socket: Any, address: Any) -> str:
        """Why there must be no connection to this address; empty when there may."""
        if not isinstance(address, tuple):
            return ""  # a socket in the file system, or of the kernel
        host = str(address[0])
        return "" if host in self._addresses or self._may(host) else f"connecting to {quoted(host)}"

    def listen(self, _socket: Any, address: Any) -> str:
        """Why nothing must listen there; empty when it may: on this machine alone."""
        host = str(address[0]) if isinstance(address, tuple) else "localhost"
        return "" if _is_loopback(host) else f"listening on {quoted(host)}"

    def _may(self, host: str) -> bool:
        return _is_loopback(host) or host.lower().rstrip(".") in self._hosts


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())
