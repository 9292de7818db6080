"""Leases as every store gives them: one holder a gallery, expiry, taking over, and writes under a lost one refused."""

from __future__ import annotations

import pytest
from support.stores import Clock, StorePlace, intent, put, record

from reconciler.manifests.address import Address
from reconciler.state.errors import LockHeld, StaleWrite
from reconciler.state.records import Run
from reconciler.state.store import Lease, StateStore, StateWrite

CORP = Address("corp")


def test_a_held_gallery_says_who_since_when_and_until_when(place: StorePlace) -> None:
    clock = Clock(1_700_000_000.0)
    place.open(clock=clock).acquire(["corp"], "ada on build-7", ttl_s=90)
    clock.now += 30
    with pytest.raises(LockHeld) as caught:
        place.open(clock=clock).acquire(["corp"], "bob")
    held = caught.value
    assert (held.holder, held.since, held.expires) == ("ada on build-7", "2023-11-14T22:13:20Z", "2023-11-14T22:14:50Z")
    assert "gallery 'corp' is being changed by ada on build-7, since 2023-11-14T22:13:20Z" in held.message
    assert "2023-11-14T22:14:50Z" in held.remedy


def test_leases_on_different_galleries_do_not_meet(place: StorePlace) -> None:
    one, other = place.open(), place.open()
    first, second = one.acquire(["corp"], "ada"), other.acquire(["labs"], "bob")
    one.write(first, put(record("corp")))
    other.write(second, put(record("labs")))
    assert set(one.read().records) == {CORP, Address("labs")}
    assert second.fence > first.fence
    assert second.galleries == {"labs"}


def test_a_lease_is_taken_on_all_galleries_or_none(place: StorePlace) -> None:
    one, other = place.open(), place.open()
    one.acquire(["labs"], "ada")
    with pytest.raises(LockHeld, match="'labs'"):
        other.acquire(["corp", "labs", "zoo"], "bob")
    one.acquire(["corp", "zoo"], "ada")


def test_a_lease_on_nothing_may_write_runs(store: StateStore) -> None:
    lease = store.acquire([], "ada")
    store.write(lease, StateWrite(put_runs=(Run("1", "apply", "ada", "2026-01-01T00:00:00Z"),)))
    with pytest.raises(StaleWrite, match="'corp'"):
        store.write(lease, put(record("corp")))


def test_a_released_gallery_is_free(place: StorePlace) -> None:
    one, other = place.open(), place.open()
    lease = one.acquire(["corp"], "ada")
    one.release(lease)
    one.release(lease)
    other.acquire(["corp"], "bob")
    with pytest.raises(StaleWrite):
        one.write(lease, put(record("corp")))


def test_an_expired_lease_is_taken_over_and_shuts_its_holder_out(place: StorePlace) -> None:
    clock = Clock()
    slow, next_run = place.open(clock=clock), place.open(clock=clock)
    lost = slow.acquire(["corp", "labs"], "ada", ttl_s=60)
    clock.now += 61
    lease = next_run.acquire(["corp"], "bob", ttl_s=60)
    assert lease.fence > lost.fence

    before = next_run.read()
    with pytest.raises(StaleWrite, match="'corp' was lost"):
        slow.write(lost, put(record("labs")))
    with pytest.raises(StaleWrite, match="'corp' was lost"):
        slow.renew(lost)
    assert next_run.read() == before

    slow.release(lost)
    next_run.write(lease, put(record("corp")))


def test_an_expired_lease_that_nobody_took_still_writes(place: StorePlace) -> None:
    clock = Clock()
    store = place.open(clock=clock)
    lease = store.acquire(["corp"], "ada", ttl_s=60)
    clock.now += 3600
    store.write(lease, put(record("corp")))
    store.renew(lease)
    with pytest.raises(LockHeld):
        place.open(clock=clock).acquire(["corp"], "bob")


def test_renewing_puts_the_expiry_off_by_the_first_time(place: StorePlace) -> None:
    clock = Clock()
    store, other = place.open(clock=clock), place.open(clock=clock)
    lease = store.acquire(["corp", "labs"], "ada", ttl_s=60)
    clock.now += 50
    store.renew(lease)
    clock.now += 59
    for gallery in ("corp", "labs"):
        with pytest.raises(LockHeld):
            other.acquire([gallery], "bob")
    clock.now += 2
    other.acquire(["corp", "labs"], "bob")


def test_the_lease_of_a_process_that_has_ended_is_taken_over_at_once(place: StorePlace) -> None:
    place.run_child("place.open().acquire(['corp'], 'ada', ttl_s=3600)")
    place.open().acquire(["corp"], "bob")


def test_the_lease_of_a_process_that_lives_is_not(place: StorePlace) -> None:
    code = "place.open().acquire(['corp'], 'ada', ttl_s=3600); print('held', flush=True); sys.stdin.read()"
    with place.child(code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LockHeld):
            place.open().acquire(["corp"], "bob")
        process.kill()


def test_holders_are_named_until_their_lease_expires_or_their_process_ends(place: StorePlace) -> None:
    clock = Clock(1_700_000_000.0)
    store = place.open(clock=clock)
    assert store.holders() == ()
    lease = store.acquire(["labs", "corp"], "ada on build-7", ttl_s=90)
    held = [(each.gallery, each.fence, each.holder, each.since, each.expires) for each in place.open().holders()]
    assert store.holders() == (), "its own"
    assert held == [
        (gallery, lease.fence, "ada on build-7", "2023-11-14T22:13:20Z", "2023-11-14T22:14:50Z")
        for gallery in ("corp", "labs")
    ], "its process still runs, although its lease has expired by now"
    store.release(lease)
    place.run_child("place.open().acquire(['zoo'], 'ada', ttl_s=3600)")
    assert place.open().holders() == ()


RUN = Run("run-1", "apply", "ada", "2026-01-01T00:00:00Z")


def test_a_run_is_running_while_its_lease_is_held_and_interrupted_after_that(place: StorePlace) -> None:
    store = place.open()
    lease = store.acquire(["corp"], "ada")
    store.write(lease, StateWrite(put_runs=(RUN,)))
    assert [run.outcome for run in place.open().runs()] == ["running"]
    store.release(lease)
    store.acquire(["corp"], "ada")
    assert [run.outcome for run in place.open().runs()] == ["interrupted"]


def test_a_run_whose_process_was_killed_is_interrupted(place: StorePlace) -> None:
    write = "store.write(lease, StateWrite(put_runs=(Run('run-1', 'apply', 'ada', '2026-01-01T00:00:00Z'),)))"
    place.run_child(
        "from reconciler.state.records import Run; store = place.open(); lease = store.acquire(['corp'], 'ada', 3600); "
        + write
    )
    assert [(run.id, run.outcome) for run in place.open().runs()] == [("run-1", "interrupted")]


@pytest.mark.parametrize(
    "change",
    [
        StateWrite(put_records=(record("zoo/a"),)),
        StateWrite(forget=(Address("zoo"),)),
        StateWrite(put_intents=(intent("zoo"),)),
        StateWrite(clear_intents=(Address("zoo"),)),
    ],
)
def test_a_write_stays_within_its_lease(store: StateStore, lease: Lease, change: StateWrite) -> None:
    store.write(lease, put(record("corp")))
    before = store.read()
    with pytest.raises(StaleWrite, match="does not cover 'zoo'"):
        store.write(lease, change)
    assert store.read() == before
