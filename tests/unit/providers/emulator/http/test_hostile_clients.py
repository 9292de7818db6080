"""Clients that hold connections, come under another name, or chose what is in the data directory before the start."""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from reconciler.manifests.private_files import NotPrivate
from reconciler.providers.emulator.http import listener
from reconciler.providers.emulator.server import EmulatorSettings, RunningEmulator, start

_PATIENCE_S = 30


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningEmulator]:
    """An emulator with little patience and few connections."""
    monkeypatch.setattr(listener, "_REQUEST_WITHIN_S", 0.3)
    monkeypatch.setattr(listener, "_MOST_CONNECTIONS", 5)
    emulator = start(EmulatorSettings(tmp_path / "data", time_scale=0))
    yield emulator
    emulator.stop()


def connection(running: RunningEmulator) -> ssl.SSLSocket:
    host, _, port = running.endpoint.removeprefix("https://").rpartition(":")
    context = ssl.create_default_context(cafile=str(running.ca))
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=_PATIENCE_S), server_hostname=host)


def is_closed(end: ssl.SSLSocket) -> bool:
    """Whether the server closes a connection, which is waited for, without an answer."""
    try:
        return end.recv(1) == b""
    except ConnectionError:
        return True


def answer(running: RunningEmulator, host: str) -> bytes:
    with connection(running) as end:
        end.sendall(f"GET /metadata/endpoints?api-version=2022-09-01 HTTP/1.1\r\nHost: {host}\r\n".encode())
        end.sendall(b"Connection: close\r\n\r\n")
        parts = iter(lambda: end.recv(65536), b"")
        return b"".join(parts)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n",
        b"PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{",
        b"PUT /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["nothing", "a byte", "a head", "a body", "a chunk"],
)
def test_a_request_that_does_not_end_is_given_up(running: RunningEmulator, sent: bytes) -> None:
    with connection(running) as end:
        end.sendall(sent)
        assert is_closed(end)


def test_a_byte_now_and_then_does_not_help(running: RunningEmulator) -> None:
    with connection(running) as end:
        for _ in range(1000):
            with suppress(ConnectionError):
                end.sendall(b"G")
            if select.select([end], [], [], 0.01)[0]:
                break
        assert is_closed(end)


def test_connections_over_the_limit_are_closed_and_the_others_are_served(running: RunningEmulator) -> None:
    with ExitStack() as stack:
        ends = [stack.enter_context(connection(running)) for _ in range(8)]
        assert sum(map(is_closed, ends)) == len(ends)
    assert b" 200 OK" in answer(running, "localhost")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:443", "127.0.0.1:1", "[::1]"])
def test_it_answers_to_its_own_names(running: RunningEmulator, host: str) -> None:
    assert b" 200 OK" in answer(running, host)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "169.254.169.254", "127.0.0.2", "[::2]"])
def test_it_does_not_answer_to_others(running: RunningEmulator, host: str) -> None:
    refused = answer(running, host)
    assert b" 400 " in refused
    assert b"InvalidHostName" in refused
    assert host.encode() not in refused


SECRETS = ("token-key", "client-secret", "client-id", "identity-header", "ca-key.pem", "server.pem")


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("how", ["link", "hard link", "readable", "another's", "folder"])
def test_a_secret_that_others_may_have_chosen_is_not_used(tmp_path: Path, name: str, how: str) -> None:
    data = tmp_path / "data"
    start(EmulatorSettings(data)).stop()
    secret, elsewhere = data / name, tmp_path / "elsewhere"
    if how == "link":
        secret.rename(elsewhere)
        secret.symlink_to(elsewhere)
    elif how == "hard link":
        elsewhere.hardlink_to(secret)
    elif how == "readable":
        secret.chmod(0o644)
    elif how == "folder":
        secret.unlink()
        secret.mkdir()
    else:
        os.chown(secret, 65534, 65534)
    with pytest.raises(NotPrivate, match=name):
        start(EmulatorSettings(data))


def test_an_existing_folder_is_closed_to_others(tmp_path: Path) -> None:
    data = tmp_path / "data"
    start(EmulatorSettings(data)).stop()
    for path in (data, data / "disks"):
        path.chmod(0o755)
    (data / "emulator.db").chmod(0o644)
    start(EmulatorSettings(data)).stop()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (data, data / "disks", data / "emulator.db")}
    assert modes == {"data": 0o700, "disks": 0o700, "emulator.db": 0o600}


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 65534, 65534)
    with pytest.raises(NotPrivate, match="another user"):
        start(EmulatorSettings(data))
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(NotPrivate, match="is a link"):
        start(EmulatorSettings(tmp_path / "link"))
