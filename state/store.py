"""`StateStore`: what every store promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Protocol

from reconciler.manifests.address import Address
from reconciler.state.records import Intent, Place, Record, Run, State


@dataclass(frozen=True, slots=True)
class StateWrite:
    """One atomic change of the state: all of it or nothing. Clearing or forgetting what does not exist is fine.

    What is put stays, even if the same change forgets or clears it. `sealed` notes that every mark has a seal
    now.
    """

    put_records: tuple[Record, ...] = ()
    forget: tuple[Address, ...] = ()
    put_intents: tuple[Intent, ...] = ()
    clear_intents: tuple[Address, ...] = ()
    put_runs: tuple[Run, ...] = ()
    put_places: tuple[Place, ...] = ()
    sealed: bool = False

    def __bool__(self) -> bool:
        return any(getattr(self, part.name) for part in fields(self))


class Lease(Protocol):
    """The right to write to some galleries, until it expires `ttl_s` seconds after it was taken or renewed."""

    @property
    def fence(self) -> int:
        """Grows with every lease taken: a later holder's number is greater."""
        ...

    @property
    def galleries(self) -> frozenset[str]: ...

    @property
    def ttl_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """Who is changing a gallery, under which number, since when and until when at most (ISO 8601 in UTC)."""

    gallery: str
    fence: int
    holder: str
    since: str
    expires: str


class StateStore(Protocol):
    """Where the state is kept. Reading never waits for a lease; every write needs one and is checked against it.

    A state is created with the first lease, or with its signing key. Before that nothing exists, and reading creates
    nothing: there are no records and no runs, the serial is 0 and the lineage empty. A store is used by one thread,
    except for `renew`, which another thread may call.
    """

    def summary(self) -> State:
        """Lineage, serial and project alone: `records` and `intents` are empty."""
        ...

    def read(self) -> State:
        """A consistent snapshot."""
        ...

    def fingerprints(self) -> Mapping[Address, tuple[str, str]]:
        """Provider name and fingerprint of every record: enough to check whether the objects are still as recorded."""
        ...

    def runs(self, limit: int = 20) -> tuple[Run, ...]:
        """The latest runs, newest first. One that never recorded its end, and whose lease is gone or whose process has
        ended, is `interrupted`."""
        ...

    def holders(self) -> tuple[LeaseHolder, ...]:
        """Who else holds a lease now, sorted by gallery, without those whose process is known to have ended. Leases
        that this store gave are left out."""
        ...

    def signing_key(self) -> bytes:
        """32 random bytes that belong to this state; saved plans are signed with them. Creates the state if needed."""
        ...

    def acquire(self, galleries: Iterable[str], holder: str, ttl_s: float = 60.0, above: int = 0) -> Lease:
        """A lease on all of `galleries`, names in any order, for `ttl_s` seconds. Creates the state if needed.
        Its fence is greater than `above`, and than that of every lease before.

        Raises: LockHeld when another run's lease has not expired, and its process is not known to have ended.
        """
        ...

    def renew(self, lease: Lease) -> None:
        """Extends the lease by its original duration. An expired lease that no other run took over is still ours.

        Raises: StaleWrite when the lease was lost.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Ends the lease; does nothing if it was lost."""
        ...

    def write(self, lease: Lease, change: StateWrite) -> int:
        """Commits `change` durably and returns the new serial.

        Raises: StaleWrite when the lease was lost or does not cover an address; nothing was written then.
        """
        ...

    def close(self) -> None: ...
