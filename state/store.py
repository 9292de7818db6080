"""`StateStore`: what every store promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol

from reconciler.manifests.address import Address
from reconciler.state.records import Intent, Place, Record, Run, State

if TYPE_CHECKING:
    from reconciler.state.upkeep import Change, Damage, Identity, LastEdit, StateCopy


@dataclass(frozen=True, slots=True)
class StateWrite:
    """One atomic change of the state: all of it or nothing. Clearing or forgetting what does not exist is fine.

    What is put stays, even if the same change forgets or clears it. `sealed` notes that every mark has a seal now.

    `put_changes` are the history of what `put_records` and `forget` do. `keep_runs`, unless 0, is how many runs are
    kept, the newest. `identity` makes the state the owner of other objects than before. `edit` is the run that this
    write is, if `StateStore.take_back` may undo it.
    """

    put_records: tuple[Record, ...] = ()
    forget: tuple[Address, ...] = ()
    put_intents: tuple[Intent, ...] = ()
    clear_intents: tuple[Address, ...] = ()
    put_runs: tuple[Run, ...] = ()
    put_places: tuple[Place, ...] = ()
    sealed: bool = False
    put_changes: tuple[Change, ...] = ()
    keep_runs: int = 0
    identity: Identity | None = None
    edit: Run | None = None

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
class LeaseInfo:
    """A lease on one gallery, as others see it. `since` and `expires` are ISO times.

    `in_future`: it expires later than a lease taken now would, so that one of two clocks is wrong. `running`: its
    process is certainly still there.
    """

    gallery: str
    fence: int
    holder: str
    since: str
    expires: str
    expired: bool = False
    in_future: bool = False
    running: bool = False

    @property
    def in_use(self) -> bool:
        """Whether its run may still be changing the gallery."""
        return self.running or not self.expired


class StateStore(Protocol):
    """Where the state is kept. Reading never waits for a lease; every write needs one and is checked against it.

    A state is created with the first lease, or with its signing key. Before that nothing exists, and reading creates
    nothing: there are no records and no runs, the serial is 0 and the lineage empty. A store is used by one thread,
    except for `renew`, which another thread may call.
    """

    @property
    def place(self) -> str:
        """Names the store for people, without a password."""
        ...

    def summary(self) -> State:
        """Without records, journal, places and key."""
        ...

    def read(self) -> State:
        """A consistent snapshot."""
        ...

    def fingerprints(self) -> Mapping[Address, tuple[str, str]]:
        """Provider name and fingerprint of every record: enough to check whether the objects are still as recorded.

        Does not look at the rest of the rows unless `stamp` is empty: whoever compares that knows that nothing changed.
        """
        ...

    def stamp(self) -> str:
        """Changes whenever anything in the store does, also behind its back; empty where that cannot be known."""
        ...

    def runs(self, limit: int = 20) -> tuple[Run, ...]:
        """The latest runs, newest first. One that never recorded its end, and whose lease is gone or whose process has
        ended, is `interrupted`."""
        ...

    def holders(self) -> tuple[LeaseInfo, ...]:
        """The leases of other runs that may still be changing something, by gallery; those that this store gave are
        left out."""
        ...

    def changes(self, address: Address | None = None, limit: int = 100) -> tuple[Change, ...]:
        """Who changed what, the newest first: of an address and everything inside it, or of all."""
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

    def acquire_all(self, holder: str, ttl_s: float = 60.0) -> Lease:
        """A lease on every gallery that anything is recorded of, or that anyone holds. Raises: as acquire."""
        ...

    def leases(self) -> tuple[LeaseInfo, ...]:
        """The leases of runs that are not known to have ended, by gallery."""
        ...

    def break_lease(self, gallery: str) -> tuple[str, ...]:
        """Ends the lease on a gallery, whoever holds it, with the others that its run holds; returns their galleries.
        The run can no longer write."""
        ...

    def last_edit(self) -> LastEdit | None:
        """The latest edit that could be taken back; None when there is none."""
        ...

    def take_back(self, lease: Lease, run: Run, edit: str) -> int:
        """Undoes the edit with the id `edit`, records that as `run`, and returns the new serial.

        Raises: StateError when anything was written since; StaleWrite.
        """
        ...

    def check(self) -> tuple[Damage, ...]:
        """Everything in the state that is not as the program writes it. Reads all of it."""
        ...

    def drop_damaged(self, lease: Lease, run: Run) -> tuple[Damage, ...]:
        """Removes the rows that cannot be used and returns them; `take_back` can restore them. `lease` is on all."""
        ...

    def copy(self) -> StateCopy:
        """All that the state contains. Raises: StateError when it does not exist."""
        ...

    def fill(self, copy: StateCopy, edit: Run | None = None, source: str = "") -> None:
        """Makes this state, which must be empty, what was copied. `edit` and `source`: see `take_back` and LastEdit.

        Raises: StateError when it is not empty.
        """
        ...

    def retire(self, lease: Lease, serial: int, moved_to: str) -> None:
        """Notes that another store holds this state now: from then on nothing here is read or written.

        Raises: StateError when the serial is another one by now; StaleWrite.
        """
        ...

    def reinstate(self) -> None:
        """Takes `retire` back."""
        ...

    def drop(self) -> None:
        """Removes the whole state."""
        ...

    def close(self) -> None: ...
