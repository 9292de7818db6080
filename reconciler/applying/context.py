"""What a run works with, and how it is asked to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reconciler.manifests.address import Address
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Provider
from reconciler.reporting import Reporter
from reconciler.state.records import Record
from reconciler.state.store import Lease, StateStore


@dataclass(slots=True)
class Interrupt:
    """How often a stop was requested: once, running operations are finished; twice, they are left to the journal."""

    count: int = 0
    wake: Callable[[], None] = field(default=lambda: None)

    def __call__(self) -> None:
        self.count += 1
        self.wake()

    def requested(self) -> bool:
        """Whether a stop was requested."""
        return self.count > 0


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """What a run works with. `started` is the run's time (ISO), `run` its id, `writer` what providers know of it;
    `wait` is False to leave operations that take long to the journal."""

    store: StateStore
    lease: Lease
    writer: Writer
    providers: Mapping[str, Provider]
    records: Mapping[Address, Record]
    run: str
    started: str
    reporter: Reporter = field(default_factory=Reporter)
    interrupt: Interrupt = field(default_factory=Interrupt)
    parallelism: int = 10
    wait: bool = True
