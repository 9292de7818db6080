"""`Running`: an operation between its start and its last result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from reconciler.applying.operations import PlannedOperation
from reconciler.manifests.address import Address
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Done, InProgress, Step


@dataclass(slots=True)
class Running:
    """An operation that was started: since when, its steps without a result, by name, its handle once it continues at
    the provider, and those of its steps that failed. `called` once the provider was called."""

    planned: PlannedOperation
    since: float
    open: dict[Address, Step]
    handle: Mapping[str, Any] | None = None
    future: Future[Done | InProgress] | None = None
    called: bool = False
    failed: bool = False
    failed_steps: list[Step] = field(default_factory=list)

    def under(self, writer: Writer, call: Callable[..., Done | InProgress], *arguments: Any) -> Done | InProgress:
        """Calls the provider, in a worker. Raises: LeaseLost when the lease is lost by the time the worker is free."""
        writer.require_lease()
        self.called = True
        return call(*arguments)

    def needs(self, address: Address) -> bool:
        """Whether a failure at this address stops what waits for the operation; only regions other than the home do
        not."""
        version = self.planned.operation.version
        return not address.region or version is None or address.region == version.get("location")
