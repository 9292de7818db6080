"""Whatever is sent to the emulator, it never answers 500, and every refusal has the shape of Azure's errors."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.azure.emulated_http import BASE_URL, HOST, EmulatorClient, emulator_client
from support.azure.emulator_requests import COMPUTE, EXAMPLES, IMAGE, Sent, endpoints, sendings

from reconciler.providers.emulator.assembly import all_handlers
from reconciler.providers.emulator.http.app import create_app
from reconciler.providers.emulator.http.openapi import describe

ENDPOINTS = endpoints(describe(all_handlers().routes))


def delivered(client: EmulatorClient, sent: Sent) -> tuple[int, dict[str, str], bytes]:
    """What the application answers."""
    messages: list[Any] = []
    token = (b"authorization", f"Bearer {client.token}".encode())
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "https",
        "method": sent.method,
        "path": "/",
        "raw_path": sent.target,
        "query_string": sent.query,
        "headers": [*sent.headers, token],
        "extensions": {},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent.body, "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    async def answer() -> None:
        await create_app(client.pipeline)(scope, receive, send)

    asyncio.run(answer())
    answered = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in messages[0]["headers"]}
    return messages[0]["status"], answered, b"".join(message.get("body", b"") for message in messages[1:])


def furnish(client: EmulatorClient) -> None:
    """A world in which most of what is asked for is there."""

    def put(path: str, **properties: Any) -> None:
        answer = client.ask("PUT", f"{COMPUTE}/{path}", {"location": "eastus", "properties": properties})
        assert answer.status in (200, 201, 202), answer

    client.group("rg")
    put("disks/disk", **EXAMPLES["/disks/{name}"])
    put("images/image", **EXAMPLES["/images/{name}"])
    put("galleries/corp", softDeletePolicy={"isSoftDeleteEnabled": True})
    put("galleries/shared", sharingProfile={"permissions": "Groups"})
    put("galleries/open", **EXAMPLES["/galleries/{gallery}"])
    for gallery, regions in (("corp", ("East US", "West US")), ("shared", ("eastus",)), ("open", ("eastus",))):
        definition = f"galleries/{gallery}/images/ubuntu"
        put(definition, **EXAMPLES["/images/{definition}"])
        targets = {"targetRegions": [{"name": region} for region in regions]}
        put(f"{definition}/versions/1.0.0", publishingProfile=targets, storageProfile={"source": {"id": IMAGE}})


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of that world."""
    folder = tmp_path_factory.mktemp("furnished")
    with emulator_client(folder) as client:
        furnish(client)
    return folder


@contextmanager
def fresh_client(furnished: Path) -> Iterator[EmulatorClient]:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(furnished, folder, dirs_exist_ok=True)
        with emulator_client(Path(folder)) as client:
            yield client


def check(sent: Sent, status: int, answered: Mapping[str, str], body: bytes) -> None:
    said = (sent, status, body)
    assert status in {200, 201, 202, 204} or 400 <= status < 500, said
    assert answered["x-ms-request-id"], said
    if not body:
        assert status < 400 or sent.method == "HEAD", said
        return
    assert answered["content-type"] == "application/json; charset=utf-8", said
    content = json.loads(body)
    if status >= 400:
        assert isinstance(content["error"]["code"], str), said
        assert content["error"]["message"], said


def follow(client: EmulatorClient, url: str) -> None:
    """Asks where an answer points to."""
    assert url.startswith(f"{BASE_URL}/"), url
    path, _, query = url.removeprefix(BASE_URL).partition("?")
    sent = Sent("GET", path.encode(), query.encode(), ((b"host", HOST.encode()),), b"")
    check(sent, *delivered(client, sent))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(requests=st.lists(sendings(ENDPOINTS), min_size=1, max_size=12))
def test_every_request_has_an_answer_that_clients_can_read(furnished: Path, requests: list[Sent]) -> None:
    with fresh_client(furnished) as client:
        for sent in requests:
            status, answered, body = delivered(client, sent)
            check(sent, status, answered, body)
            if (b"host", HOST.encode()) == sent.headers[0]:
                for name in {"azure-asyncoperation", "location"} & answered.keys():
                    follow(client, answered[name])
