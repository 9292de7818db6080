"""Servers on this machine that a hostile project names: they answer so far that a client would send a secret, and keep
what they are sent."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trustme

_SOON_S = 5.0
_ANSWER = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s"
_CLEAR_TEXT_PASSWORD = b"R\0\0\0\x08\0\0\0\x03"
_SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"


@dataclass
class Listeners:
    """`ports` by the name of what listens there, `authority` the certificate to trust the one with TLS, `received` all
    that was sent to any of them."""

    authority: bytes
    ports: dict[str, int] = field(default_factory=dict)
    received: list[bytes] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Listeners]:
    """Servers of HTTP, HTTPS, PostgreSQL and ssh on ports of their own."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
    listeners = Listeners(authority.cert_pem.bytes())
    sockets = []
    answering = {"http": _answer_http, "tls": _answer_http, "postgresql": _answer_postgresql, "ssh": _answer_ssh}
    for name, answer in answering.items():
        server = socket.create_server(("127.0.0.1", 0))
        sockets.append(server)
        listeners.ports[name] = server.getsockname()[1]
        wrap = context if name == "tls" else None
        threading.Thread(target=_serve, args=(server, answer, wrap, listeners.received), daemon=True).start()
    try:
        yield listeners
    finally:
        for server in sockets:
            server.close()


def _serve(
    server: socket.socket,
    answer: Callable[[socket.socket, list[bytes]], None],
    context: ssl.SSLContext | None,
    received: list[bytes],
) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_converse, args=(connection, answer, context, received), daemon=True).start()


def _converse(
    connection: socket.socket,
    answer: Callable[[socket.socket, list[bytes]], None],
    context: ssl.SSLContext | None,
    received: list[bytes],
) -> None:
    connection.settimeout(_SOON_S)
    with suppress(OSError), connection:
        answer(context.wrap_socket(connection, server_side=True) if context else connection, received)


def _answer_http(connection: socket.socket, received: list[bytes]) -> None:
    asked = _receive(connection, received)
    while b"\r\n\r\n" not in asked:
        asked += _receive(connection, received)
    if asked.startswith(b"POST"):
        with suppress(TimeoutError):
            connection.settimeout(0.5)
            _receive(connection, received)
        body = b'{"access_token": "given", "expires_in": 3600, "token_type": "Bearer"}'
        connection.sendall(_ANSWER % (b"200 OK", b"", len(body), body))
    elif b"authorization" not in asked.lower():
        challenge = b'WWW-Authenticate: Basic realm="x", Bearer realm="x"\r\n'
        connection.sendall(_ANSWER % (b"401 Unauthorized", challenge, 2, b"{}"))
    else:
        connection.sendall(_ANSWER % (b"200 OK", b"", 2, b"{}"))


def _answer_postgresql(connection: socket.socket, received: list[bytes]) -> None:
    if _receive(connection, received) == _SSL_REQUEST:
        connection.sendall(b"N")
        _receive(connection, received)
    connection.sendall(_CLEAR_TEXT_PASSWORD)
    _receive(connection, received)


def _answer_ssh(connection: socket.socket, received: list[bytes]) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    _receive(connection, received)


def _receive(connection: socket.socket, received: list[bytes]) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the client has gone")
    received.append(data)
    return data


def write_authority(listeners: Listeners, path: Path) -> None:
    """Writes the certificate that the server with TLS is trusted by."""
    path.write_bytes(listeners.authority)
