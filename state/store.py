"""`StateStore`: what every store promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from reconciler.manifests.address import Address
from reconciler.state.records import Intent, Record, Run, State


@dataclass(frozen=True, slots=True)
class StateWrite:
    """One atomic change of the state: all of it or nothing. Clearing or forgetting what is not there is fine.

    `moves` renames records, source to target and all at the same time, before anything else, and renames them in other
    records' `dependencies` too; a source that is not there is let be. What is put stays, also where it is forgotten or
    cleared by the same change.
    """

    put_records: tuple[Record, ...] = ()
    forget: tuple[Address, ...] = ()
    put_intents: tuple[Intent, ...] = ()
    clear_intents: tuple[Address, ...] = ()
    moves: tuple[tuple[Address, Address], ...] = ()
    put_runs: tuple[Run, ...] = ()

    def __bool__(self) -> bool:
        parts = (self.put_records, self.forget, self.put_intents, self.clear_intents, self.moves, self.put_runs)
        return any(parts)


class Lease(Protocol):
    """The right to write to some galleries, until it expires. The holder renews it before that."""

    @property
    def fence(self) -> int:
        """Grows with every lease taken: a later holder's number is greater."""
        ...

    @property
    def galleries(self) -> frozenset[str]: ...


class StateStore(Protocol):
    """Where the state is kept. Reading never waits for a lease; every write needs one and is checked against it.

    A state begins with the first lease, or with its signing key. Before that nothing exists and reading makes nothing:
    there are no records and no runs, the serial is 0 and the lineage empty. Used by one thread, but for `renew`, which
    may come from another.
    """

    def summary(self) -> State:
        """Lineage, serial and project alone: `records` and `intents` are empty."""
        ...

    def read(self) -> State:
        """A consistent snapshot."""
        ...

    def fingerprints(self) -> Mapping[Address, tuple[str, str]]:
        """Provider name and fingerprint of every record: enough to ask whether the world still is as recorded."""
        ...

    def runs(self, limit: int = 20) -> tuple[Run, ...]:
        """The latest runs, newest first."""
        ...

    def signing_key(self) -> bytes:
        """32 random bytes that belong to this state; saved plans are signed with them. Makes the state if need be."""
        ...

    def acquire(self, galleries: Iterable[str], holder: str, ttl_s: float = 60.0) -> Lease:
        """A lease on all of `galleries`, names in any order, for `ttl_s` seconds. Makes the state if need be.

        Raises: LockHeld when another's has not expired (nor its process ended, where that can be seen).
        """
        ...

    def renew(self, lease: Lease) -> None:
        """Puts the expiry off, by as long as at first. An expired lease that nobody took over is still ours.

        Raises: StaleWrite when the lease was lost.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Gives the lease back; a lost one is let be."""
        ...

    def write(self, lease: Lease, change: StateWrite) -> int:
        """Commits `change` durably and returns the new serial.

        Raises: StaleWrite when the lease was lost or an address lies outside it; StateError when a move would put two
        objects under one address. Nothing was written then.
        """
        ...

    def close(self) -> None: ...
