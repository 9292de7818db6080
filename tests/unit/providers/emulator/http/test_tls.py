"""The CA of an emulator is created once, and its certificates are renewed in time."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socketpair

import pytest

from reconciler.providers.emulator.http.tls import LIFETIME, RENEW_BEFORE, ca_file, server_context

NAMES = ("localhost", "127.0.0.1", "::1")
NOW = datetime.now(UTC)


def talk(server: ssl.SSLContext, ca: Path, name: str) -> str:
    """The serial number of the certificate that a client sees when it trusts `ca` and connects to `name`."""
    client = ssl.create_default_context(cafile=str(ca))
    near, far = socketpair()

    def answer() -> None:
        try:
            with server.wrap_socket(far, server_side=True) as end:
                end.recv(1)
        except ssl.SSLError:
            far.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with near, client.wrap_socket(near, server_hostname=name) as end:
            certificate = end.getpeercert()
            end.send(b"x")
            assert certificate is not None
            return str(certificate["serialNumber"])
    finally:
        thread.join()


@pytest.mark.parametrize("name", [*NAMES, "emu.example.org"])
def test_clients_that_trust_the_ca_trust_the_server(tmp_path: Path, name: str) -> None:
    context = server_context(tmp_path, (*NAMES, "emu.example.org"))
    assert talk(context, ca_file(tmp_path), name)


def test_other_names_are_not_vouched_for(tmp_path: Path) -> None:
    context = server_context(tmp_path, NAMES)
    with pytest.raises(ssl.SSLCertVerificationError):
        talk(context, ca_file(tmp_path), "example.org")


def test_another_directory_has_another_ca(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    server_context(tmp_path / "other", NAMES)
    with pytest.raises(ssl.SSLCertVerificationError):
        talk(server_context(tmp_path, NAMES), ca_file(tmp_path / "other"), "localhost")


def test_everything_is_kept(tmp_path: Path) -> None:
    first = talk(server_context(tmp_path, NAMES), ca_file(tmp_path), "localhost")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert talk(server_context(tmp_path, NAMES), ca_file(tmp_path), "localhost") == first
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("later", "names", "renewed"),
    [
        (LIFETIME - RENEW_BEFORE - timedelta(hours=1), NAMES, False),
        (LIFETIME - RENEW_BEFORE, NAMES, True),
        (timedelta(0), NAMES[:1], False),
        (timedelta(0), (*NAMES, "emu.example.org"), True),
    ],
)
def test_the_servers_certificate_is_renewed_and_the_ca_stays(
    tmp_path: Path, later: timedelta, names: tuple[str, ...], renewed: bool
) -> None:
    server_context(tmp_path, NAMES, NOW)
    ca, chain = ca_file(tmp_path).read_bytes(), (tmp_path / "server.pem").read_bytes()
    server_context(tmp_path, names, NOW + later)
    assert ca_file(tmp_path).read_bytes() == ca
    assert ((tmp_path / "server.pem").read_bytes() != chain) is renewed


def test_keys_are_private_and_the_ca_is_for_all(tmp_path: Path) -> None:
    server_context(tmp_path, NAMES)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes.pop("ca.pem") == 0o644
    assert set(modes.values()) == {0o600}
