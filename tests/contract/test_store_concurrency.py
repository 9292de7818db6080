"""Every store under several threads and processes at once, and under SIGKILL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from support.stores import StorePlace, put, record

from reconciler.manifests.address import Address
from reconciler.state.errors import LockHeld
from reconciler.state.records import State
from reconciler.state.store import Lease, StateStore

CORP = Address("corp")


T = TypeVar("T")


def at_once(count: int, do: Callable[[int], T]) -> list[T]:
    """What `do(0)`, `do(1)`, ... returned, each called by a thread of its own at the same moment."""
    start = threading.Barrier(count)

    def one(number: int) -> T:
        start.wait()
        return do(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_those_who_begin_a_state_at_once_share_it(place: StorePlace) -> None:
    stores = [place.open() for _ in range(6)]
    at_once(6, lambda number: stores[number].acquire([f"gallery-{number}"], "ada"))
    assert len({store.summary().lineage for store in stores} | {place.open().summary().lineage}) == 1
    assert len({store.signing_key() for store in stores}) == 1


def test_two_who_upgrade_at_once_upgrade_once(place: StorePlace) -> None:
    place.make_version_1()
    assert at_once(4, lambda number: place.open().read().serial) == [41] * 4


def test_one_of_many_gets_the_lease(place: StorePlace) -> None:
    stores = [place.open() for _ in range(6)]

    def take(number: int) -> Lease | None:
        try:
            return stores[number].acquire(["corp"], f"run {number}")
        except LockHeld:
            return None

    assert len([lease for lease in at_once(6, take) if lease is not None]) == 1


def test_writers_of_different_galleries_lose_nothing(place: StorePlace) -> None:
    stores = [place.open() for _ in range(4)]

    def fill(number: int) -> None:
        gallery = f"gallery-{number}"
        lease = stores[number].acquire([gallery], "ada")
        for index in range(20):
            stores[number].write(lease, put(record(f"{gallery}/definition-{index}")))

    at_once(4, fill)
    state = place.open().read()
    assert (len(state.records), state.serial) == (80, 80)


def test_a_lease_is_renewed_from_another_thread(store: StateStore, lease: Lease) -> None:
    over = threading.Event()
    renewed: list[int] = []

    def renew() -> None:
        while not over.is_set():
            store.renew(lease)
            renewed.append(1)

    with ThreadPoolExecutor(1) as pool:
        keeper = pool.submit(renew)
        for index in range(100):
            store.write(lease, put(record(f"corp/definition-{index}")))
            assert len(store.read().records) == index + 1
        over.set()
        keeper.result(timeout=30)
    assert renewed


WRITE_ALL_ALIKE = """
store = place.open()
lease = store.acquire(["corp"], "writer", ttl_s=3600)
number = len(store.read().records) and int(store.read().records[Address.parse("corp/d0")].object_id)
from reconciler.state.store import StateWrite
while True:
    number += 1
    alike = tuple(record(f"corp/d{index}", object_id=str(number)) for index in range(20))
    journal = (intent("corp"),) if number % 2 else ()
    cleared = () if number % 2 else (Address("corp"),)
    store.write(lease, StateWrite(put_records=alike, put_intents=journal, clear_intents=cleared))
    print(number, flush=True)
"""


def numbers_in(state: State) -> set[str]:
    return {found.object_id for found in state.records.values()}


def test_a_reader_never_waits_and_never_sees_half_a_write(place: StorePlace) -> None:
    place.open().signing_key()
    read = """
for _ in range(150):
    store = place.open()
    print(*{found.object_id for found in store.read().records.values()})
    store.close()
"""
    with place.child(WRITE_ALL_ALIKE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with place.child(read) as reader:
            output, errors = reader.communicate(timeout=60)
        writer.kill()
        writer.communicate()
    assert reader.returncode == 0, errors
    seen = [line.split() for line in output.splitlines()]
    assert all(len(numbers) == 1 for numbers in seen)
    assert len({numbers[0] for numbers in seen}) > 1


@pytest.mark.parametrize("after", [1, 2, 3, 5, 8, 13])
def test_a_killed_writer_leaves_whole_writes_and_all_it_was_told_of(place: StorePlace, after: int) -> None:
    for _ in range(2):
        told = killed_after(place, after)
        store = place.open()
        lease = store.acquire(["corp"], "next")  # from here on nothing of the killed one's can arrive any more
        state = store.read()
        (number,) = numbers_in(state)
        assert int(number) in {told, told + 1}
        assert len(state.records) == 20
        assert set(state.intents) == ({CORP} if int(number) % 2 else set())
        assert state.serial == int(number)
        store.release(lease)


def killed_after(place: StorePlace, writes: int) -> int:
    """The last number that a writer said it had committed, before SIGKILL after some of its writes."""
    with place.child(WRITE_ALL_ALIKE) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(writes)]
        writer.kill()
        told += writer.stdout.read().split()
        _, errors = writer.communicate()
    assert not errors
    return int(told[-1])
