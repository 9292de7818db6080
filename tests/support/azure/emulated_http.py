"""The emulator without a socket: requests enter the pipeline as they would arrive over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.providers.emulator.assembly import create_service
from reconciler.providers.emulator.content.disk_content import DiskContents
from reconciler.providers.emulator.core.clock import Durations, ManualClock
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.core.store import Store
from reconciler.providers.emulator.http.admin import set_faults
from reconciler.providers.emulator.http.identity import Identity
from reconciler.providers.emulator.http.request_log import RequestLog
from reconciler.providers.emulator.http.request_parsing import RawRequest
from reconciler.providers.emulator.http.request_pipeline import RequestPipeline
from reconciler.providers.emulator.http.throttling import Budgets
from reconciler.providers.emulator.http.tokens import Tokens, load_credentials
from reconciler.providers.emulator.server import SUBSCRIPTION, TENANT

HOST = "localhost:8443"
BASE_URL = f"https://{HOST}"
SUB = f"/subscriptions/{SUBSCRIPTION}"
API = "2026-03-03"


@dataclass(frozen=True)
class Answer:
    """An answer; header names are in lower case, `body` is parsed JSON, None when it is empty."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.body["error"]["code"])


@dataclass
class EmulatorClient:
    """A client of a request pipeline, and the clock of that."""

    pipeline: RequestPipeline
    clock: ManualClock
    token: str = field(repr=False, default="")

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: str = f"api-version={API}",
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        """Sends a request. `body` is sent as JSON, bytes unchanged; an empty `token` sends none."""
        shown = self.token if token is None else token
        sent = {"host": HOST, "content-type": "application/json", **(headers or {})}
        if shown:
            sent.setdefault("authorization", f"Bearer {shown}")
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        found = self.pipeline.serve(RawRequest(method, path.encode(), query.encode(), sent, content))
        return Answer(found.status, {name.lower(): value for name, value in found.headers.items()}, found.body)

    def group(self, name: str = "rg", location: str = "East US") -> Answer:
        return self.ask("PUT", f"{SUB}/resourceGroups/{name}", {"location": location})

    def gallery(self, name: str = "corp", group: str = "rg") -> Answer:
        return self.ask("PUT", gallery_path(name, group), {"location": "East US"})

    def faults(self, *faults: Fault) -> None:
        set_faults(self.pipeline.service, faults)


def gallery_path(name: str = "corp", group: str = "rg") -> str:
    return f"{SUB}/resourceGroups/{group}/providers/Microsoft.Compute/galleries/{name}"


@contextmanager
def emulator_client(folder: Path, *, budgets: bool = False, scale: float = 0) -> Iterator[EmulatorClient]:
    """A client of an emulator with a store in `folder`."""
    clock = ManualClock()
    store = Store(folder / "emulator.db")
    contents = DiskContents(folder / "disks")
    service = create_service(store, SUBSCRIPTION, TENANT, contents, clock=clock, durations=Durations(scale=scale))
    tokens = Tokens(load_credentials(folder), TENANT, clock, frozenset({"localhost"}))
    pipeline = RequestPipeline(
        service, tokens, Identity(tokens, "an-emulator"), RequestLog(), Budgets(clock) if budgets else None
    )
    try:
        yield EmulatorClient(pipeline, clock, tokens.issue(BASE_URL))
    finally:
        store.close()
