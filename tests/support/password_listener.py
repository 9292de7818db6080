"""A PostgreSQL server that asks everybody for the password in clear text, and notes what it is sent."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_SSL_REQUEST = 80877103
_GSS_REQUEST = 80877104
_AUTHENTICATION = b"R" + struct.pack("!ii", 8, 3)  # of the frontend/backend protocol: a clear-text password, please
_FATAL = b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"
_REFUSED = b"E" + struct.pack("!i", 4 + len(_FATAL)) + _FATAL


@dataclass
class PasswordListener:
    """Where it listens, how many connected, and what they sent as a password."""

    port: int
    connections: int = 0
    passwords: list[bytes] = field(default_factory=list)
    started: list[bytes] = field(default_factory=list)


@contextmanager
def password_listener() -> Iterator[PasswordListener]:
    """A listener on loopback for the length of a `with` block."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = PasswordListener(server.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(server, listener), daemon=True)
        thread.start()
        yield listener
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def _serve(server: socket.socket, listener: PasswordListener) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            listener.connections += 1
            with client, suppress(OSError, struct.error):
                _ask(client, listener)


def _ask(client: socket.socket, listener: PasswordListener) -> None:
    startup = _message(client)
    while struct.unpack("!i", startup[:4])[0] in (_SSL_REQUEST, _GSS_REQUEST):
        client.sendall(b"N")
        startup = _message(client)
    listener.started.append(startup[4:])
    client.sendall(_AUTHENTICATION)
    if client.recv(1) == b"p":
        listener.passwords.append(_message(client))
        client.sendall(_REFUSED)


def _message(client: socket.socket) -> bytes:
    """What follows the length that every message begins with."""
    (length,) = struct.unpack("!i", _exactly(client, 4))
    return _exactly(client, length - 4)


def _exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := client.recv(size - len(data))):
        data += part
    return data
