"""What a service may answer to each call that a plan makes: nonsense is an error of that service."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.core.credentials import AccessToken

from reconciler.providers.azure.service.api import Api
from reconciler.providers.azure.service.failures import CallFailed, explained
from reconciler.providers.errors import Unavailable

GUID = "00000000-0000-0000-0000-000000000000"
DISK = f"/subscriptions/{GUID}/resourceGroups/rg/providers/Microsoft.Compute/disks/os"
OTHER = "https://localhost:1/elsewhere"
CALLS: dict[str, Callable[[Api], Any]] = {
    "locations": lambda api: api.locations(),
    "emulator": lambda api: api.emulator(),
    "galleries": lambda api: api.galleries(),
    "definitions": lambda api: api.definitions("g"),
    "versions": lambda api: api.versions("g", "d"),
    "deleted_versions": lambda api: api.deleted_versions("g", "d"),
    "gallery": lambda api: api.gallery("g"),
    "definition": lambda api: api.definition("g", "d"),
    "version": lambda api: api.version("g", "d", "1.0.0"),
    "resource": lambda api: api.resource(DISK, "2024-03-02"),
}
BODIES = [
    b"",
    b"<html>hello</html>",
    b"null",
    b"[]",
    b"7",
    b"{",
    b'"x"',
    b"\xff\xfe",
    b'{"value": 3}',
    b'{"value": [3]}',
]


class Token:
    def get_token(self, *_scopes: str, **_more: Any) -> AccessToken:
        return AccessToken("SECRET", int(time.time()) + 3600)


class Service:
    """Answers every request alike, and notes the paths."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, b"{}", {"Content-Type": "application/json"}
        self.asked: list[str] = []


@contextmanager
def listening(service: Service, folder: Path) -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append(self.path)
            self.send_response(service.status)
            for name, value in {**service.headers, "Content-Length": str(len(service.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(service.body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    endpoint = f"https://localhost:{server.server_port}"
    api = Api(endpoint, GUID, "rg", Token(), f"{endpoint}/.default", folder / "ca.pem")
    try:
        yield api
    finally:
        api.close()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def api(service: Service, tmp_path: Path) -> Iterator[Api]:
    with listening(service, tmp_path) as api:
        yield api


@pytest.mark.parametrize("name", CALLS)
def test_nonsense_is_an_error_of_the_service(service: Service, api: Api, name: str) -> None:
    for body in BODIES:
        service.body = body
        try:
            CALLS[name](api)
        except CallFailed as failed:
            error = explained(failed, "asking")
            assert isinstance(error, Unavailable), body
            assert "bug" not in error.message


def test_the_next_page_of_a_list_is_on_the_same_host(service: Service, api: Api) -> None:
    service.body = json.dumps({"value": [], "nextLink": OTHER}).encode()
    with pytest.raises(CallFailed, match="it refers to https://localhost:1, and only https://localhost:"):
        api.galleries()


def test_the_progress_of_an_operation_is_on_the_same_host(service: Service, api: Api) -> None:
    for url in (OTHER, f"https://localhost@{OTHER[8:]}", "https://169.254.169.254/metadata", "file:///etc/passwd"):
        with pytest.raises(CallFailed, match="does not speak Azure's API"):
            api.progress(url)
    assert service.asked == []


@pytest.mark.parametrize("name", CALLS)
def test_no_redirect_is_followed(service: Service, api: Api, name: str) -> None:
    service.status, service.headers = 307, {"Location": "/other"}
    with pytest.raises(CallFailed):
        CALLS[name](api)
    assert "/other" not in service.asked


@pytest.mark.parametrize("named", ["@localhost:1/x/disks/y", ".example/x/disks/y", f"{DISK}/../y", f"{DISK}?x#"])
def test_what_is_no_id_is_never_asked_for(service: Service, api: Api, named: str) -> None:
    with pytest.raises(ValueError, match="disks"):
        api.resource(named, "2024-03-02")
    assert service.asked == []
