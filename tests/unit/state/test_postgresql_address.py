"""Which PostgreSQL server a project can lead to, and who is sent the password."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.stores import PROJECT

from reconciler.manifests.trust import Trust
from reconciler.state.errors import StateError
from reconciler.state.opening import check_url, open_store

PASSWORD = "CANARYpgpassword"
NAMED = "nobody here has named"
_SSL_REQUEST = 80877103
_GSS_REQUEST = 80877104
_AUTHENTICATION = b"R" + struct.pack("!ii", 8, 3)  # of the frontend/backend protocol: a clear-text password, please
_FATAL = b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"
_REFUSED = b"E" + struct.pack("!i", 4 + len(_FATAL)) + _FATAL


@dataclass
class PasswordListener:
    """A PostgreSQL server that asks everybody for the password in clear text: where it listens, how many connected, and
    what they sent."""

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


@pytest.fixture
def listener() -> Iterator[PasswordListener]:
    with password_listener() as listening:
        yield listening


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A runner with a password, and without anything else of PostgreSQL."""
    for name in ("PGHOST", "PGPORT", "PGPASSFILE", "PGSSLMODE", "PGSSLROOTCERT", "PGSERVICE", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    (tmp_path / "home").mkdir()
    return monkeypatch


def refusal(url: str, folder: Path, trust: Trust | None = None) -> StateError:
    with pytest.raises(StateError) as caught:
        open_store(url, PROJECT, folder, trust=trust)
    assert PASSWORD not in caught.value.message + caught.value.remedy
    return caught.value


def test_the_password_goes_to_no_server_that_a_project_names(listener: PasswordListener, tmp_path: Path) -> None:
    error = refusal(f"postgresql://app@127.0.0.1:{listener.port}/x", tmp_path)
    assert (listener.connections, listener.passwords) == (1, [])
    assert f"'127.0.0.1:{listener.port}' under `postgresql.hosts`" in error.remedy
    assert "PGPASSWORD is sent only to a server that is named for it" in error.remedy


@pytest.mark.parametrize("how", ["PGHOST", "settings", "given"])
def test_it_goes_to_servers_that_are_named(
    listener: PasswordListener, tmp_path: Path, environment: pytest.MonkeyPatch, how: str
) -> None:
    url = f"postgresql://app@127.0.0.1:{listener.port}/x"
    trust = Trust()
    if how == "PGHOST":
        environment.setenv("PGHOST", "127.0.0.1")
        environment.setenv("PGPORT", str(listener.port))
    elif how == "settings":
        trust = Trust(databases=(f"127.0.0.1:{listener.port}",))
    else:
        trust = Trust(state=url)
    refusal(url, tmp_path, trust)
    assert listener.passwords == [f"{PASSWORD}\0".encode()]


@pytest.mark.parametrize("wrong", ["port", "host", "other state"])
def test_another_server_than_the_named_one_does_not_get_it(
    listener: PasswordListener, tmp_path: Path, environment: pytest.MonkeyPatch, wrong: str
) -> None:
    url = f"postgresql://app@127.0.0.1:{listener.port}/x"
    if wrong == "port":
        environment.setenv("PGHOST", "127.0.0.1")
    elif wrong == "host":
        environment.setenv("PGHOST", "127.0.0.2")
        environment.setenv("PGPORT", str(listener.port))
    refusal(url, tmp_path, Trust(state=f"{url}y" if wrong == "other state" else ""))
    assert listener.passwords == []


def test_the_password_of_the_url_itself_is_sent(listener: PasswordListener, tmp_path: Path) -> None:
    refusal(f"postgresql://app:own@127.0.0.1:{listener.port}/x", tmp_path)
    assert listener.passwords == [b"own\0"]


def test_the_password_file_is_bound_to_its_server(
    listener: PasswordListener, tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    passfile = tmp_path / "passfile"
    passfile.write_text(f"127.0.0.1:{listener.port}:*:app:of-the-file\n*:*:*:*:of-any\n")
    passfile.chmod(0o600)
    environment.setenv("PGPASSFILE", str(passfile))
    refusal(f"postgresql://app@127.0.0.1:{listener.port}/x", tmp_path)
    assert listener.passwords == [b"of-the-file\0"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app@db.example/x", "postgresql://app@192.0.2.7/x", "postgresql://app@/x?host=db.example",
        "postgresql://app@/x?host=db.example&port=5432", "postgresql://app@169.254.169.254/x",
        "postgresql://app@0x7f000001/x", "postgresql://app@127.0.0.1.example/x", "postgresql://app@localhost.example/x",
        "postgresql://app@[2001:db8::1]/x", "postgresql://app@/x?host=/srv/sockets", "postgresql://app@%2Fsrv/x",
        "postgresql://app@/x?host=@abstract", "postgresql://app@db.example:6432/x?sslmode=disable",
        "postgresql://app@/x?%68ost=db.example",
    ],
)  # fmt: skip
def test_no_other_server_is_connected_to(url: str, tmp_path: Path) -> None:
    assert NAMED in refusal(url, tmp_path).message
    with pytest.raises(StateError, match=NAMED):
        check_url(url, tmp_path)


@pytest.mark.parametrize(
    "parameter",
    [
        "passfile=/x", "sslkey=/x", "sslcert=/x", "sslpassword=x", "service=x", "servicefile=/x", "options=-c%20x=y",
        "hostaddr=192.0.2.7", "krbsrvname=x", "gssencmode=require", "gssdelegation=1", "requirepeer=x", "sslcrl=/x",
        "sslcrldir=/x", "replication=true", "require_auth=none", "load_balance_hosts=random", "client_encoding=utf8",
        "%70assfile=/x", "gsslib=x", "ssl_min_protocol_version=TLSv1", "channel_binding=disable",
    ],
)  # fmt: skip
def test_a_project_sets_few_parameters(listener: PasswordListener, parameter: str, tmp_path: Path) -> None:
    name = parameter.partition("=")[0].replace("%70", "p")
    error = refusal(f"postgresql://app@127.0.0.1:{listener.port}/x?{parameter}", tmp_path)
    assert name in error.message or "is not valid" in error.message  # what this libpq does not know
    assert listener.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1:1,db.example:2/x",
        "postgresql:///x?host=127.0.0.1,db.example",
        "postgresql:///x?port=1,2",
    ],
)
def test_one_server_is_named(url: str, tmp_path: Path) -> None:
    assert "several servers" in refusal(url, tmp_path).message


def test_a_url_of_the_runner_says_what_it_likes(listener: PasswordListener, tmp_path: Path) -> None:
    url = f"postgresql://app@db.example:{listener.port}/x?hostaddr=127.0.0.1&options=-c%20work_mem%3D1MB"
    refusal(url, tmp_path, Trust(state=url))
    assert listener.passwords == [f"{PASSWORD}\0".encode()]


def test_no_less_tls_than_the_environment_asks_for(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PGHOST", "db.example")
    environment.setenv("PGSSLMODE", "verify-full")
    url = "postgresql://db.example/x?sslmode="
    check_url("postgresql://db.example/x", tmp_path)
    check_url(f"{url}verify-full", tmp_path)
    for mode in ("disable", "prefer", "require", "verify-ca"):
        with pytest.raises(StateError, match="PGSSLMODE for verify-full"):
            check_url(f"{url}{mode}", tmp_path)


def test_the_certificate_of_an_authority_is_in_the_project(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PGHOST", "db.example")
    check_url("postgresql://db.example/x?sslrootcert=ca.pem", tmp_path)
    check_url("postgresql://db.example/x?sslrootcert=system", tmp_path)
    with pytest.raises(StateError, match="outside of the project"):
        check_url("postgresql://db.example/x?sslrootcert=/etc/ca.pem", tmp_path)
    environment.setenv("PGSSLROOTCERT", "/etc/mine.pem")
    with pytest.raises(StateError, match="PGSSLROOTCERT differ"):
        check_url("postgresql://db.example/x?sslrootcert=ca.pem", tmp_path)


def test_a_host_in_settings_is_one_port(tmp_path: Path) -> None:
    trust = Trust(databases=("DB.example", "[2001:db8::1]:6432", "other.example:6432"))
    for url in ("postgresql://db.EXAMPLE/x", "postgresql://[2001:db8::1]:6432/x", "postgresql://other.example:6432/x"):
        check_url(url, tmp_path, trust)
    for url in ("postgresql://db.example:1/x", "postgresql://[2001:db8::1]/x", "postgresql://other.example/x"):
        with pytest.raises(StateError, match=NAMED):
            check_url(url, tmp_path, trust)
