"""A lease that binds hands: when it is confirmed, when it is lost, and what it then stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.ownership import HeldLease, held_lease
from reconciler.providers.errors import LeaseLost, ProviderError
from reconciler.state.errors import LockHeld, StateError
from reconciler.state.opening import open_store
from reconciler.state.store import Lease, StateStore

CORP = frozenset({"corp"})


@dataclass
class TwoClocks:
    """One that no one sets, and the time of day."""

    elapsed: float = 1000.0
    day: float = 1_900_000_000.0

    def __call__(self) -> tuple[float, float]:
        return self.elapsed, self.day

    def wait(self, seconds: float) -> None:
        self.elapsed += seconds
        self.day += seconds


@dataclass
class Stores:
    """Several openings of one state, all by the same time of day."""

    folder: Path
    clocks: TwoClocks = field(default_factory=TwoClocks)
    opened: list[StateStore] = field(default_factory=list)

    def open(self) -> StateStore:
        store = open_store("sqlite:///state.db", "test", self.folder, clock=lambda: self.clocks.day)
        self.opened.append(store)
        return store

    def held(self, ttl_s: float = 60.0) -> HeldLease:
        store, taken = self.open(), self.clocks()
        return HeldLease(store, store.acquire(CORP, "ada", ttl_s), taken, self.clocks)

    def take_over(self) -> Lease:
        return self.open().acquire(CORP, "bob")


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    stores = Stores(tmp_path)
    yield stores
    for store in stores.opened:
        store.close()


@pytest.fixture
def renewals(monkeypatch: pytest.MonkeyPatch) -> list[Lease]:
    """Every lease that was renewed at the state, in order."""
    from reconciler.state.sql_store.store import SqlStore

    renewed: list[Lease] = []
    original = SqlStore.renew

    def renew(store: SqlStore, lease: Lease) -> None:
        renewed.append(lease)
        original(store, lease)

    monkeypatch.setattr(SqlStore, "renew", renew)
    return renewed


def test_what_was_just_confirmed_is_not_asked_again(stores: Stores, renewals: list[Lease]) -> None:
    lease = stores.held()
    for _ in range(100):
        lease.require()
    assert renewals == []
    stores.clocks.wait(2.0)
    lease.require()
    lease.require()
    assert len(renewals) == 1
    lease.release()


def test_a_run_that_slept_past_its_lease_continues_if_no_one_took_over(stores: Stores) -> None:
    lease = stores.held()
    stores.clocks.wait(3600)
    lease.require()
    with pytest.raises(LockHeld):
        stores.take_over()
    lease.release()


@pytest.mark.parametrize(
    "pause",
    [lambda clocks: clocks.wait(61), lambda clocks: setattr(clocks, "day", clocks.day + 3600)],
    ids=["suspended", "the time of day jumps ahead"],
)
def test_a_run_whose_lease_was_taken_over_may_do_nothing_more(
    stores: Stores, pause: Callable[[TwoClocks], None]
) -> None:
    lease = stores.held()
    pause(stores.clocks)
    stores.take_over()
    for _ in range(2):
        with pytest.raises(LeaseLost, match="'corp' was lost to another run"):
            lease.require()
    assert lease.lost
    lease.release()


def test_a_time_of_day_that_jumps_back_is_noted_at_the_state(stores: Stores) -> None:
    lease = stores.held()
    stores.clocks.day -= 7200
    lease.require()
    stores.clocks.day += 61
    stores.take_over()
    with pytest.raises(LeaseLost):
        lease.require()
    lease.release()


def test_a_state_that_does_not_respond_leaves_half_of_the_time(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = stores.held()

    def away(*_: object) -> None:
        raise StateError("the database was restarted", "Try again.")

    with monkeypatch.context() as patched:
        patched.setattr(lease._store, "renew", away)
        stores.clocks.wait(29)
        lease.require()
        stores.clocks.wait(2)
        with pytest.raises(LeaseLost, match=r"not known whether .* 'corp': the database was restarted"):
            lease.require()
    lease.require()
    lease.release()


def test_after_the_run_nobody_changes_anything_for_it(stores: Stores) -> None:
    lease = stores.held()
    lease.release()
    with pytest.raises(LeaseLost, match="has ended"):
        lease.require()
    stores.take_over()


def test_a_lease_lives_as_long_as_its_block_whatever_happens_in_it(tmp_path: Path) -> None:
    store, other = (open_store("sqlite:///state.db", "test", tmp_path) for _ in range(2))
    with held_lease(store, CORP, "ada", ttl_s=0.5):
        time.sleep(1.5)
        with pytest.raises(LockHeld):
            other.acquire(CORP, "bob")
    other.acquire(CORP, "bob")
    store.close()
    other.close()


def test_copies_of_one_state_never_give_out_the_same_fence(tmp_path: Path) -> None:
    fences = set()
    for folder in (tmp_path / "one", tmp_path / "other"):
        store = open_store("sqlite:///state.db", "test", folder)
        fences |= {store.acquire(CORP, "ada", above=41).fence}
        store.close()
    assert len(fences) == 2
    assert min(fences) > 41


def test_no_one_tries_again_what_a_lost_lease_ended() -> None:
    assert not issubclass(LeaseLost, ProviderError)
