"""The service without HTTP: ends the operations that are due, then handles a request in one transaction.

A module that serves requests ends with `HANDLERS`: its routes, each with a function of the service and the request, and
by resource type what happens at the end of an asynchronous operation. `assembly` collects them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from reconciler.providers.emulator.core.arm import ArmAnswer, ArmError, ArmRequest
from reconciler.providers.emulator.core.clock import Clock, Durations, SystemClock
from reconciler.providers.emulator.core.injected_faults import Faults
from reconciler.providers.emulator.core.json_schema import Schema
from reconciler.providers.emulator.core.store import AsyncOperation, Resource, Store

Handler = Callable[["Service", ArmRequest], ArmAnswer]
Finisher = Callable[["Service", AsyncOperation, Resource], None]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path with its parameters in braces, and the function that answers. `budget` names the request
    budget that it counts against; `query` the query parameters that it knows besides api-version; `body` is the JSON
    Schema of its body. `ahead` does slow work before the transaction, which would block every other request, and undoes
    it when the request is refused."""

    method: str
    path: str
    handler: Handler
    name: str
    budget: str = ""
    query: tuple[str, ...] = ()
    body: Schema | None = None
    ahead: Callable[[Service, ArmRequest], AbstractContextManager[None]] | None = None


@dataclass(frozen=True, slots=True)
class Handlers:
    """What one module, or the whole service, handles: requests by route, ends of operations by resource type."""

    routes: Sequence[Route] = ()
    finishers: Mapping[str, Finisher] = field(default_factory=dict)

    def __add__(self, other: Handlers) -> Handlers:
        return Handlers((*self.routes, *other.routes), {**self.finishers, **other.finishers})


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """The size of a page blob in bytes, and its last 512 bytes."""

    size: int
    footer: bytes


class Blobs(Protocol):
    """Access to VHD sources, and the place where the service keeps the content of published versions."""

    def facts(self, uri: str) -> BlobFacts:
        """Raises: ArmError when the blob does not exist, or may not be read."""
        ...

    def keep(self, uri: str) -> str:
        """Copies a blob's content to our own disks, and returns the name of the copy."""
        ...

    def remove(self, name: str) -> None:
        """Removes a disk that `keep` made, if it still exists."""
        ...


@dataclass
class Service:
    """One emulated cloud: a subscription, its tenant, and all resources in it."""

    store: Store
    subscription: str
    tenant: str
    blobs: Blobs
    handlers: Handlers
    clock: Clock = field(default_factory=SystemClock)
    durations: Durations = field(default_factory=Durations)
    faults: Faults = field(default_factory=Faults)
    page_size: int = 50

    def __post_init__(self) -> None:
        self._patterns = [(route, _pattern(route.path)) for route in self.handlers.routes]

    def handle(self, request: ArmRequest) -> ArmAnswer:
        """The answer to an authenticated request. Raises: ArmError."""
        route, params = self.route(request)
        ahead = route.ahead(self, request) if route.ahead is not None else nullcontext()
        with ahead:
            with self.store.transaction():  # its own: operations stay ended when the request is refused
                self.advance()
            with self.store.transaction():
                return route.handler(self, request.with_params(params))

    def route(self, request: ArmRequest) -> tuple[Route, Mapping[str, str]]:
        """The route of a request, and the parameters in its path. Raises: ArmError."""
        others = set()
        for route, pattern in self._patterns:
            if match := pattern.fullmatch(request.path):
                if route.method == request.method:
                    return route, match.groupdict()
                others.add(route.method)
        if others:
            raise ArmError(
                405,
                "MethodNotAllowed",
                f"The resource does not support {request.method}.",
                headers={"Allow": ", ".join(sorted(others))},
            )
        raise ArmError(404, "InvalidResourceType", f"No resource type answers to the path '{request.path}'.")

    def advance(self) -> None:
        """Ends every operation that is due, and those that start when another ends."""
        while due := self.store.due_operations(self.clock.now()):
            for operation in due:
                resource = self.store.get(operation.key)
                operation.done = True
                if resource is not None and (finisher := self.handlers.finishers.get(resource.type)):
                    finisher(self, operation, resource)
                self.store.put_operation(operation)

    def start(self, request: ArmRequest, resource: Resource, verb: str, seconds: float, **more: Any) -> AsyncOperation:
        """Starts an operation on a resource that ends in `seconds` (unscaled), unless a fault makes it stick."""
        now = self.clock.now()
        stuck = self.faults.take("stick", request.method, request.path)
        due = None if stuck else now + self.durations.scaled(seconds)
        operation = AsyncOperation(str(uuid.uuid4()), resource.key, verb, now, due, more=more)
        self.store.put_operation(operation)
        return operation

    def stamp(self, moment: float | None = None) -> str:
        """A time, by default the present, as the service writes it."""
        seconds = self.clock.now() if moment is None else moment
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def _pattern(path: str) -> re.Pattern[str]:
    """What a path has to match. Starlette's router is not used: paths of the Resource Manager are compared without
    regard to case, which it cannot do, and the core does not depend on a web framework."""
    parts = re.split(r"\{(\w+)\}", path)
    text = "".join(f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    return re.compile(text, re.IGNORECASE)
