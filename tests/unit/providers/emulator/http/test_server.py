"""The emulator on a real socket with TLS: what only a connection can show."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support.azure.emulated_http import API, SUB

from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.http.request_parsing import MOST_BODY_BYTES
from reconciler.providers.emulator.server import EmulatorSettings, RunningEmulator, start
from reconciler.providers.errors import ProviderError

GROUP = f"{SUB}/resourceGroups/rg?api-version={API}"


@contextmanager
def emulator(folder: Path, **settings: Any) -> Iterator[RunningEmulator]:
    running = start(EmulatorSettings(folder, time_scale=0, **settings))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningEmulator]:
    with emulator(tmp_path / "data") as found:
        yield found


def address_of(running: RunningEmulator) -> tuple[str, int]:
    host, _, port = running.endpoint.removeprefix("https://").rpartition(":")
    return host, int(port)


@contextmanager
def connected(running: RunningEmulator, ca: Path | None = None) -> Iterator[http.client.HTTPSConnection]:
    context = ssl.create_default_context(cafile=str(ca or running.ca))
    connection = http.client.HTTPSConnection(*address_of(running), timeout=10, context=context)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPConnection, running: RunningEmulator, method: str, target: str, body: Any = None
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {running.token()}", "Content-Type": "application/json"}
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    connection.request(method, target, content, headers)
    answer = connection.getresponse()
    read = answer.read()
    return answer.status, json.loads(read) if read else None


@contextmanager
def wire(running: RunningEmulator) -> Iterator[ssl.SSLSocket]:
    """A connection that sends and receives bytes."""
    context = ssl.create_default_context(cafile=str(running.ca))
    host, port = address_of(running)
    plain = socket.create_connection((host, port), timeout=10)
    with plain, context.wrap_socket(plain, server_hostname=host) as end:
        yield end


def raw(running: RunningEmulator, request: bytes) -> bytes:
    """Everything that is received after sending bytes, until the server closes the connection."""
    with wire(running) as end:
        end.sendall(request)
        return b"".join(iter(lambda: end.recv(65536), b""))


def test_answers_as_soon_as_it_is_there(running: RunningEmulator) -> None:
    with connected(running) as connection:
        status, body = ask(connection, running, "GET", "/subscriptions?api-version=2022-12-01")
        assert (status, body["value"][0]["subscriptionId"]) == (200, running.subscription)
        assert ask(connection, running, "PUT", GROUP, {"location": "eastus"})[0] == 201
        assert ask(connection, running, "HEAD", GROUP) == (204, None)


def test_says_little_of_itself(running: RunningEmulator) -> None:
    with connected(running) as connection:
        connection.request("GET", "/metadata/endpoints?api-version=2022-09-01")
        answer = connection.getresponse()
        assert answer.headers["Server"] is None
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert json.load(answer)["resourceManager"] == running.endpoint


@pytest.mark.parametrize("target", [f"/none?api-version={API}", f"/subscriptions?api-version={API}", "//"])
def test_a_head_has_no_body(running: RunningEmulator, target: str) -> None:
    with connected(running) as connection:
        status, body = ask(connection, running, "HEAD", target)
        assert status in (400, 404, 405)
        assert body is None
        assert ask(connection, running, "GET", "/subscriptions?api-version=2022-12-01")[0] == 200


def test_a_body_over_the_limit_is_refused_and_said_so(running: RunningEmulator) -> None:
    with connected(running) as connection:
        status, body = ask(connection, running, "PUT", GROUP, b'"' + b"a" * MOST_BODY_BYTES + b'"')
        assert (status, body["error"]["code"]) == (413, "RequestEntityTooLarge")
    with connected(running) as connection:
        status, body = ask(connection, running, "PUT", GROUP, b'"' + b"a" * (MOST_BODY_BYTES - 2) + b'"')
        assert (status, body["error"]["code"]) == (400, "InvalidRequestContent")


def test_who_does_not_stop_sending_is_cut_off(running: RunningEmulator) -> None:
    head = f"PUT {GROUP} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {1 << 40}\r\n\r\n".encode()
    with wire(running) as end:
        end.sendall(head)
        assert sent_until_closed(end, at_most=1 << 30) < 200 << 20


def sent_until_closed(end: ssl.SSLSocket, at_most: int) -> int:
    """How many bytes could be sent."""
    piece = b"a" * (1 << 20)
    for sent in range(0, at_most, len(piece)):
        try:
            end.sendall(piece)
        except OSError:
            return sent
    return at_most


TRICKS = (b"/subscriptions/../emulator", b"/a/%2e%2e/emulator", b"/a%2fb", b"//subscriptions", b"/%00", b"/\\")


@pytest.mark.parametrize("target", TRICKS)
def test_paths_with_tricks_get_an_answer_of_the_usual_shape(running: RunningEmulator, target: bytes) -> None:
    headers = f"Host: localhost\r\nConnection: close\r\nAuthorization: Bearer {running.token()}".encode()
    head, _, body = raw(running, b"GET %b HTTP/1.1\r\n%b\r\n\r\n" % (target, headers)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "InvalidRequestUri"


def test_a_path_as_long_as_a_header_may_be_is_refused(running: RunningEmulator) -> None:
    with connected(running) as connection:
        status, body = ask(connection, running, "GET", "/" + "a" * 30_000)
        assert (status, body["error"]["code"]) == (400, "InvalidRequestUri")


def test_a_dropped_connection_has_no_answer_and_no_effect(running: RunningEmulator) -> None:
    running.service.faults.set([Fault("drop", method="PUT")])
    with connected(running) as connection, pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(connection, running, "PUT", GROUP, {"location": "eastus"})
    with connected(running) as connection:
        assert ask(connection, running, "GET", GROUP)[0] == 404
        assert ask(connection, running, "PUT", GROUP, {"location": "eastus"})[0] == 201


def test_a_lost_answer_has_its_effect(running: RunningEmulator) -> None:
    running.service.faults.set([Fault("lose-answer", method="PUT")])
    with connected(running) as connection, pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(connection, running, "PUT", GROUP, {"location": "eastus"})
    with connected(running) as connection:
        assert ask(connection, running, "GET", GROUP)[0] == 200


def test_many_clients_at_once(running: RunningEmulator) -> None:
    seen: list[int] = []

    def client(number: int) -> None:
        with connected(running) as connection:
            for turn in range(5):
                target = f"{SUB}/resourceGroups/rg-{number}-{turn}?api-version={API}"
                seen.append(ask(connection, running, "PUT", target, {"location": "eastus"})[0])

    threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [201] * 80
    with connected(running) as connection:
        status, body = ask(connection, running, "GET", "/emulator/requests")
    assert (status, body["total"]) == (200, 80)


def told(running: RunningEmulator) -> tuple[bytes, str, str, str, str]:
    """What clients store about an emulator."""
    credentials = (running.client_id, running.client_secret)
    return (running.ca.read_bytes(), *credentials, running.subscription, running.tenant)


def test_stored_settings_are_valid_after_a_restart(tmp_path: Path) -> None:
    with emulator(tmp_path) as first:
        token = first.token()
        known = told(first)
        with connected(first) as connection:
            ask(connection, first, "PUT", GROUP, {"location": "eastus"})
    copy = tmp_path / "trusted.pem"
    copy.write_bytes(known[0])
    with emulator(tmp_path) as second:
        assert told(second) == known
        with connected(second, copy) as connection:
            connection.request("GET", GROUP, headers={"Authorization": f"Bearer {token}"})
            assert connection.getresponse().status == 200


def test_what_was_stuck_goes_on_after_a_restart_without_faults(tmp_path: Path) -> None:
    path = f"{SUB}/resourceGroups/rg/providers/Microsoft.Compute/galleries/corp?api-version={API}"
    faults = tmp_path / "faults.json"
    faults.write_text('[{"action": "stick", "path": "*/corp"}]')
    for faults_file, state in ((faults, "Creating"), (faults, "Creating"), (None, "Succeeded")):
        with emulator(tmp_path / "data", faults=faults_file) as running, connected(running) as connection:
            if ask(connection, running, "GET", GROUP)[0] == 404:
                ask(connection, running, "PUT", GROUP, {"location": "eastus"})
                ask(connection, running, "PUT", path, {"location": "eastus"})
            assert ask(connection, running, "GET", path)[1]["properties"]["provisioningState"] == state


@pytest.mark.parametrize("content", ["{", "{}", '[{"action": "explode"}]'])
def test_a_file_of_faults_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text(content)
    with pytest.raises(ProviderError, match=r"faults\.json"):
        start(EmulatorSettings(tmp_path / "data", faults=faults))


def test_a_port_that_is_taken_is_named(running: RunningEmulator, tmp_path: Path) -> None:
    port = address_of(running)[1]
    with pytest.raises(ProviderError, match=f"127.0.0.1 port {port}"):
        start(EmulatorSettings(tmp_path / "other", port=port))


def test_a_port_can_be_asked_for_again_at_once(tmp_path: Path) -> None:
    with emulator(tmp_path) as first, connected(first) as connection:
        port = address_of(first)[1]
        ask(connection, first, "GET", GROUP)
    with emulator(tmp_path, port=port) as second:
        assert second.endpoint == first.endpoint


def test_an_address_without_a_name_is_the_endpoint(tmp_path: Path) -> None:
    with emulator(tmp_path, host="127.0.0.2") as running, connected(running) as connection:
        assert running.endpoint.startswith("https://127.0.0.2:")
        assert ask(connection, running, "GET", "/subscriptions?api-version=2022-12-01")[0] == 200


def test_ends_although_somebody_stays_connected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with emulator(tmp_path) as running, connected(running) as connection:
        ask(connection, running, "GET", GROUP)
        began = time.perf_counter()
        running.stop()
        running.stop()
        assert time.perf_counter() - began < 0.9
        with pytest.raises(OSError):
            socket.create_connection(address_of(running), timeout=1)
    assert not caplog.records


def test_what_is_asked_for_is_nothing_to_log(running: RunningEmulator, caplog: pytest.LogCaptureFixture) -> None:
    for action in ("drop", "lose-answer", "error"):
        running.service.faults.set([Fault(action, method="PUT")])
        with connected(running) as connection, suppress(http.client.RemoteDisconnected, ConnectionError):
            ask(connection, running, "PUT", GROUP, {"location": "eastus"})
    assert not caplog.records
