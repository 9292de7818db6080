"""The state as the owner of objects, a run as the one who writes for it, and the lease that allows a run to write."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.providers.errors import LeaseLost
from reconciler.providers.owner import Owner, Writer
from reconciler.state.errors import StaleWrite, StateError
from reconciler.state.records import State
from reconciler.state.store import Lease, StateStore

_FRESH = 1 / 60
_RENEWED = 1 / 4
_UNCONFIRMED = 1 / 2
"""Parts of a lease's time. A renewal younger than the first needs no confirmation before an effect, a lease is renewed
once the second has passed, and a run whose state does not respond may rely on the last renewal for the third."""

_SUSPENSION_COUNTS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

AGAIN = "Run the command again once the other run has ended: it recovers what this one had started."

Times = tuple[float, float]
Clocks = Callable[[], Times]


def owner_of(state: State) -> Owner:
    """The owner whose marks the objects of this state bear."""
    return Owner(state.lineage, state.key, accepts_unsealed=not state.sealed)


def writer_of(state: State, lease: Lease, require: Callable[[], None]) -> Writer:
    """The run that holds `lease`, as providers know it; `require` raises LeaseLost when it no longer does."""
    return Writer(owner_of(state), lease.fence, require)


def both_clocks() -> Times:
    """Two clocks in seconds: one that also counts while the machine is suspended and that no one sets, and the time of
    day, by which other runs decide whether a lease has expired."""
    return time.clock_gettime(_SUSPENSION_COUNTS), time.time()


class HeldLease:
    """A `Lease` of this run. A thread renews it, so that it does not expire while the run copies, scans or waits.

    `taken` is when it was taken, by `clocks`.
    """

    def __init__(self, store: StateStore, lease: Lease, taken: Times, clocks: Clocks) -> None:
        self._store = store
        self._lease = lease
        self._clocks = clocks
        self._renewed = taken
        self._lost: LeaseLost | None = None
        self._one_at_a_time = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    @property
    def fence(self) -> int:
        return self._lease.fence

    @property
    def galleries(self) -> frozenset[str]:
        return self._lease.galleries

    @property
    def ttl_s(self) -> float:
        return self._lease.ttl_s

    @property
    def lost(self) -> bool:
        """Whether this run may no longer change anything."""
        return self._lost is not None

    def require(self) -> None:
        """Returns if this run may change something now; asks the state for that unless it was confirmed just before.

        Raises: LeaseLost.
        """
        if self._lost is None and self._younger_than(_FRESH):
            return
        with self._one_at_a_time:
            if self._lost is not None:
                raise LeaseLost(self._lost.message, self._lost.remedy)
            if not self._younger_than(_FRESH):
                self._renew()

    def release(self) -> None:
        """Gives the lease back: whoever still works for this run may change nothing from now on."""
        self._ended.set()
        with self._one_at_a_time:
            self._lost = self._lost or LeaseLost("this run has ended, and has given back its lease", AGAIN)
        self._thread.join()
        self._store.release(self._lease)

    def _younger_than(self, part: float) -> bool:
        """Whether less than that part of the lease's time has passed since the last renewal, by both clocks."""
        passed = [now - before for now, before in zip(self._clocks(), self._renewed, strict=True)]
        return all(0 <= seconds < part * self.ttl_s for seconds in passed)

    def _renew(self) -> None:
        """Raises: LeaseLost."""
        now = self._clocks()  # the store counts from later on
        try:
            self._store.renew(self._lease)
        except StaleWrite as error:
            self._lost = LeaseLost(f"the lease on {self._names} was lost to another run", AGAIN)
            raise self._lost from error
        except StateError as error:
            if not self._younger_than(_UNCONFIRMED):
                why = f"it is not known whether this run still holds the lease on {self._names}: {error.message}"
                raise LeaseLost(why, error.remedy) from error
        else:
            self._renewed = now

    @property
    def _names(self) -> str:
        return ", ".join(f"'{name}'" for name in sorted(self.galleries))

    def _keep(self) -> None:
        """Renews the lease in time until it ends; a state that does not respond is asked again the next time."""
        while not self._ended.wait(_RENEWED * self.ttl_s):
            try:
                with self._one_at_a_time:
                    if self._lost is None:
                        self._renew()
            except LeaseLost:
                continue


@contextmanager
def held_lease(
    store: StateStore, galleries: frozenset[str], holder: str, ttl_s: float, above: int = 0
) -> Iterator[HeldLease]:
    """The lease of these galleries for the length of a `with` block, with a fence above `above`. Raises: LockHeld."""
    taken = both_clocks()
    lease = HeldLease(store, store.acquire(galleries, holder, ttl_s, above), taken, both_clocks)
    try:
        yield lease
    finally:
        lease.release()
