"""What keeps a state usable, on every store: history, edits taken back, copies, moves, checks, and others' leases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.stores import Clock, StorePlace, intent, put, record

from reconciler.manifests.address import Address
from reconciler.state.errors import LockHeld, StaleWrite, StateError, StateMoved, StateUnreadable
from reconciler.state.records import Place, Run
from reconciler.state.store import Lease, StateStore, StateWrite
from reconciler.state.upkeep import Change, Identity

CORP = Address("corp")
UBUNTU = Address("corp", "ubuntu")


def run(name: str, command: str = "apply", started: str = "2026-01-01T00:00:00+00:00") -> Run:
    return Run(name, command, "ada", started)


def edit(store: StateStore, lease: Lease, change: StateWrite) -> None:
    store.write(lease, replace(change, edit=run("edit-1", command="state mv")))


# History


def test_runs_are_in_the_order_in_which_they_were_made_whatever_the_clock_says(store: StateStore) -> None:
    for name, started in (("1", "2027-06-01T00:00:00+00:00"), ("2", "2026-01-01T00:00:00+00:00")):
        lease = store.acquire(["corp"], "ada")
        store.write(lease, StateWrite(put_runs=(run(name, started=started),)))
        store.release(lease)
    assert [each.id for each in store.runs()] == ["2", "1"]


def test_a_change_is_remembered_with_the_time_of_its_commit(place: StorePlace) -> None:
    store = place.open(clock=Clock(1_700_000_000.0))
    lease = store.acquire(["corp"], "ada")
    changes = (Change(UBUNTU, "create", "1"), Change(Address("corp", "ubuntu-2"), "create", "1"))
    store.write(lease, StateWrite(put_runs=(run("1"),), put_changes=changes))
    store.write(
        lease, StateWrite(put_runs=(run("2"),), put_changes=(Change(UBUNTU._replace(version="1.0.0"), "x", "2"),))
    )
    assert [(str(each.address), each.at) for each in store.changes(UBUNTU)] == [
        ("corp/ubuntu", "2023-11-14T22:13:20+00:00"),
        ("corp/ubuntu/1.0.0", "2023-11-14T22:13:20+00:00"),
    ]
    assert len(store.changes()) == 3
    assert store.changes(Address("corp", "ubunt")) == ()


def test_old_runs_go_with_their_changes(store: StateStore) -> None:
    for number in range(5):
        lease = store.acquire(["corp"], "ada")
        one = StateWrite(put_runs=(run(str(number)),), put_changes=(Change(CORP, "update", str(number)),), keep_runs=2)
        store.write(lease, one)
        store.release(lease)
    assert [each.id for each in store.runs()] == ["4", "3"]
    assert {each.run for each in store.changes()} == {"4", "3"}


# Edits


EDITS = {
    "put": StateWrite(put_records=(record("corp/debian"), record("corp", object_id="other"))),
    "forget": StateWrite(forget=(CORP, UBUNTU), clear_intents=(Address("corp", "new"),)),
    "move": StateWrite(put_records=(record("corp/jammy", named=UBUNTU),), forget=(UBUNTU,)),
    "identity": StateWrite(identity=Identity("other-lineage", b"k" * 32, sealed=True)),
}


@pytest.mark.parametrize("what", sorted(EDITS))
def test_an_edit_is_taken_back_to_the_last_row(store: StateStore, lease: Lease, what: str) -> None:
    store.write(lease, put(record("corp"), record("corp/ubuntu", "corp"), record("labs/a", "corp/ubuntu")))
    store.write(lease, StateWrite(put_intents=(intent("corp/new"),)))
    before = store.read()
    edit(store, lease, EDITS[what])
    assert store.read() != before
    last = store.last_edit()
    assert last is not None
    assert last.untouched
    store.take_back(lease, run("undo-1", command="state undo"), last.run.id)
    after = store.read()
    assert (after.records, after.intents) == (before.records, before.intents)
    assert (after.lineage, after.key, after.sealed) == (before.lineage, before.key, before.sealed)
    assert after.serial > before.serial
    assert store.last_edit() is None


def test_an_edit_is_not_taken_back_once_anything_else_was_written(store: StateStore, lease: Lease) -> None:
    store.write(lease, put(record("corp")))
    edit(store, lease, StateWrite(forget=(CORP,)))
    store.write(lease, put(record("labs")))
    last = store.last_edit()
    assert last is not None
    assert not last.untouched
    before = store.read()
    with pytest.raises(StateError, match="written to since"):
        store.take_back(lease, run("undo-1"), last.run.id)
    assert store.read() == before


def test_an_edit_says_which_galleries_it_wrote_to(store: StateStore, lease: Lease) -> None:
    store.write(lease, put(record("corp"), record("labs/a", "corp")))
    edit(store, lease, StateWrite(put_records=(record("labs"),), forget=(CORP,)))
    last = store.last_edit()
    assert last is not None
    assert last.galleries == {"corp", "labs"}
    assert [each.command for each in store.runs()] == ["state mv"]


# Copies and moves


def filled(place: StorePlace) -> StateStore:
    store = place.open()
    lease = store.acquire(["corp"], "ada")
    store.write(lease, put(record("corp"), record("corp/ubuntu", "corp")))
    store.write(
        lease,
        StateWrite(
            put_intents=(intent("corp/new"),),
            put_runs=(run("1"),),
            put_places=(Place("default", "eastus", "id-1"),),
            put_changes=(Change(CORP, "create", "1"),),
        ),
    )
    store.release(lease)
    return store


def test_a_copy_has_everything_but_leases(place: StorePlace) -> None:
    store = filled(place)
    store.acquire(["corp"], "bob")
    other = StorePlace("sqlite:///copy.db", place.base)
    copy = other.open()
    copy.fill(store.copy())
    assert copy.read() == store.read()
    assert (copy.runs(), copy.changes(), copy.signing_key()) == (store.runs(), store.changes(), store.signing_key())
    assert copy.acquire(["corp"], "eve").fence > 1
    other.close()


def test_a_state_comes_back_from_its_copy(place: StorePlace) -> None:
    other = StorePlace("sqlite:///first.db", place.base)
    first = filled(other)
    store = place.open()
    store.fill(first.copy(), run("migrate-1"), "sqlite:///first.db")
    assert store.read().records == first.read().records
    last = store.last_edit()
    assert last is not None
    assert (last.source, last.untouched) == ("sqlite:///first.db", True)
    other.close()


def test_what_is_not_empty_is_not_filled(place: StorePlace) -> None:
    store = filled(place)
    before = store.read()
    other = StorePlace("sqlite:///first.db", place.base)
    with pytest.raises(StateError, match="is not empty"):
        store.fill(filled(other).copy())
    assert store.read() == before
    other.close()


def test_a_retired_state_is_not_used_by_anyone(place: StorePlace) -> None:
    store = filled(place)
    lease = store.acquire_all("ada")
    assert lease.galleries == {"corp"}
    store.retire(lease, store.summary().serial, "elsewhere")
    for use in (store.read, store.summary, lambda: store.acquire(["labs"], "bob")):
        with pytest.raises(StateMoved, match="was migrated to elsewhere") as caught:
            use()
        assert "state undo" in caught.value.remedy
    store.release(lease)
    store.reinstate()
    assert set(store.read().records) == {CORP, UBUNTU}


def test_a_state_that_was_written_to_is_not_retired(place: StorePlace) -> None:
    store = filled(place)
    lease = store.acquire_all("ada")
    serial = store.summary().serial
    store.write(lease, put(record("corp")))
    with pytest.raises(StateError, match="in the meantime"):
        store.retire(lease, serial, "elsewhere")
    assert store.read().records


def test_a_dropped_state_is_gone_and_can_be_made_again(place: StorePlace) -> None:
    store = filled(place)
    store.drop()
    assert place.open().read().lineage == ""
    assert filled(place).read().records


# Checks


DAMAGE = {
    "canonical": ("UPDATE records SET canonical = '{\"a' WHERE address = 'corp/ubuntu'", "record of 'corp/ubuntu'"),
    "computed": ("UPDATE records SET computed = '[1]' WHERE address = 'corp/ubuntu'", "record of 'corp/ubuntu'"),
    "status": ("UPDATE records SET status = 'fine' WHERE address = 'corp/ubuntu'", "record of 'corp/ubuntu'"),
    "address": ("UPDATE records SET address = 'a/b/c/d' WHERE address = 'corp/ubuntu'", "record of 'a/b/c/d'"),
    "dependencies": (
        "UPDATE records SET dependencies = 'corp@' WHERE address = 'corp/ubuntu'",
        "record of 'corp/ubuntu'",
    ),
    "intent": ("UPDATE intents SET canonical = '' WHERE address = 'corp/new'", "journal entry of 'corp/new'"),
    "handle": ("UPDATE intents SET handle = '{' WHERE address = 'corp/new'", "journal entry of 'corp/new'"),
}


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_a_damaged_row_is_named_by_whoever_reads_and_can_be_dropped(place: StorePlace, damage: str) -> None:
    store = filled(place)
    sql, name = DAMAGE[damage]
    place.execute(sql)
    with pytest.raises(StateUnreadable, match=name) as caught:
        store.read()
    assert "reconciler state check" in caught.value.remedy
    (found,) = (each for each in store.check() if each.unreadable)
    assert name in found.row
    lease = store.acquire_all("ada")
    assert store.drop_damaged(lease, run("check-1", command="state check")) == (found,)
    store.read()
    last = store.last_edit()
    assert last is not None
    store.take_back(lease, run("undo-1"), last.run.id)
    assert found in store.check()


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("DELETE FROM records WHERE address = 'corp'", "depends on corp, which is not recorded"),
        ("UPDATE records SET canonical = '{ }' WHERE address = 'corp'", "not as the program writes it"),
        ("UPDATE meta SET signing_key = 'zz'", "signing key is damaged"),
        ("UPDATE runs SET counts = 'x'", "Expecting value"),
    ],
)
def test_a_check_finds_what_commands_do_not_need(place: StorePlace, sql: str, problem: str) -> None:
    store = filled(place)
    assert store.check() == ()
    place.execute(sql)
    assert [each for each in store.check() if problem in each.problem]


# Leases, seen by others


def test_a_lease_of_the_future_is_called_that(place: StorePlace) -> None:
    clock = Clock()
    ahead = Clock(clock.now + 365 * 86_400)
    place.open(clock=ahead).acquire(["corp"], "ada on build-7")
    store = place.open(clock=clock)
    with pytest.raises(LockHeld, match="ada on build-7") as caught:
        store.acquire(["corp"], "bob")
    assert "clock" in caught.value.remedy
    assert "reconciler state unlock corp" in caught.value.remedy
    (held,) = store.leases()
    assert held.in_future
    assert store.break_lease("corp") == ("corp",)
    store.acquire(["corp"], "bob")


def test_an_ordinary_lease_is_not_called_one_of_the_future(place: StorePlace) -> None:
    clock = Clock()
    place.open(clock=clock).acquire(["corp"], "ada", ttl_s=3600)
    (held,) = place.open(clock=clock).leases()
    assert not held.in_future
    assert not held.expired
    clock.now += 4000
    (held,) = place.open(clock=clock).leases()
    assert held.expired


def test_whoever_is_unlocked_writes_no_more(place: StorePlace) -> None:
    one, other = place.open(), place.open()
    lease = one.acquire(["corp", "labs"], "ada")
    assert other.break_lease("labs") == ("corp", "labs")
    with pytest.raises(StaleWrite):
        one.write(lease, put(record("corp")))
    assert other.acquire(["corp"], "bob").fence > lease.fence


def test_breaking_what_no_one_holds_does_nothing(place: StorePlace) -> None:
    store = filled(place)
    assert store.break_lease("corp") == ()


def test_the_leases_of_dead_processes_are_cleaned_up_by_the_next(place: StorePlace) -> None:
    place.run_child("place.open().acquire(['corp', 'labs'], 'ada', ttl_s=3600)")
    store = place.open()
    assert store.leases() == ()
    store.acquire(["zoo"], "bob")
    assert place.execute("SELECT gallery FROM leases") == [("zoo",)]


def test_the_lease_of_a_process_elsewhere_is_left_until_no_one_can_come_back(place: StorePlace) -> None:
    clock = Clock()
    store = place.open(clock=clock)
    store.acquire(["corp"], "ada")
    place.execute("UPDATE leases SET process = 'another-boot pid:[1] 17 99'")
    clock.now += 3600
    store.acquire(["labs"], "bob")
    assert [each.gallery for each in store.leases()] == ["corp", "labs"]
    clock.now += 25 * 3600
    store.acquire(["zoo"], "eve")
    assert [each.gallery for each in store.leases()] == ["zoo"]
