"""What every state store promises, tried on each of them for real."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.stores import Clock, StorePlace, intent, put, record

from reconciler.manifests.address import Address
from reconciler.state.errors import ForeignState, LockHeld, StateError, StateTooNew
from reconciler.state.records import Intent, Record, Run, State, Status
from reconciler.state.store import Lease, StateStore, StateWrite

CORP = Address("corp")
UBUNTU = Address("corp", "ubuntu")


# What is written is read


def test_nothing_is_there_before_the_first_lease(place: StorePlace, store: StateStore) -> None:
    assert store.read() == store.summary() == State("", 0, "corp-images")
    assert store.fingerprints() == {}
    assert store.runs() == ()


def test_the_first_lease_fixes_the_lineage(place: StorePlace, store: StateStore, lease: Lease) -> None:
    lineage = store.summary().lineage
    assert len(lineage) == 36
    store.write(lease, put(record("corp")))
    assert place.open().read().lineage == store.read().lineage == lineage


def test_a_store_that_was_opened_early_sees_what_another_made(place: StorePlace) -> None:
    early, maker = place.open(), place.open()
    assert early.read().records == {}
    maker.write(maker.acquire(["corp"], "ada"), put(record("corp")))
    assert set(early.read().records) == {CORP}
    assert early.summary().lineage == maker.summary().lineage


@pytest.mark.parametrize(
    "written",
    [
        record("corp"),
        record("corp/ubuntu/1.0.0@eastus", "corp/ubuntu/1.0.0"),
        record(
            "corp/ubuntu/1.0.0", "corp/ubuntu", "labs/base/2.0.0", computed='{"sha256":"ab"}', status=Status.TAINTED
        ),
        record("labs", protect=True, named=Address("corp")),
        record("labs/ubuntu", "labs", retain=True, named=UBUNTU),
        record("corp", object_id="50% of ?s and 'quotes' \"here\"; -- \\ Zürich 画像 \n\t", fingerprint=""),
    ],
    ids=lambda written: str(written.address),
)
def test_records_come_back_as_they_were(place: StorePlace, store: StateStore, lease: Lease, written: Record) -> None:
    store.write(lease, put(written))
    assert place.open().read().records == {written.address: written}


def test_a_record_is_replaced_and_forgotten(store: StateStore, lease: Lease) -> None:
    store.write(lease, put(record("corp"), record("labs")))
    changed = record("corp", status=Status.TAINTED, protect=True)
    store.write(lease, put(changed))
    assert store.read().records == {CORP: changed, Address("labs"): record("labs")}
    store.write(lease, StateWrite(forget=(CORP, UBUNTU)))
    assert set(store.read().records) == {Address("labs")}


def test_what_is_put_stays_though_it_is_forgotten_too(store: StateStore, lease: Lease) -> None:
    store.write(lease, StateWrite(put_records=(record("corp"),), forget=(CORP,)))
    store.write(lease, StateWrite(put_intents=(intent("corp"),), clear_intents=(CORP,)))
    assert set(store.read().records) == set(store.read().intents) == {CORP}


def test_the_journal_comes_back_and_is_cleared(place: StorePlace, store: StateStore, lease: Lease) -> None:
    region = "corp/ubuntu/1.0.0@eastus"
    begun = (intent("corp"), intent(region), intent("labs", verb="delete", canonical="{}"))
    store.write(lease, StateWrite(put_intents=begun))
    assert place.open().read().intents == {entry.address: entry for entry in begun}

    polled: Intent = replace(begun[1], handle='{"operation":7}')
    store.write(lease, StateWrite(put_intents=(polled,), clear_intents=(CORP, UBUNTU)))
    assert store.read().intents == {polled.address: polled, begun[2].address: begun[2]}


def test_the_outcome_and_the_journal_change_in_one_write(store: StateStore, lease: Lease) -> None:
    before = store.write(lease, StateWrite(put_intents=(intent("corp"),)))
    after = store.write(lease, StateWrite(put_records=(record("corp"),), clear_intents=(CORP,)))
    assert (after, store.read().intents, set(store.read().records)) == (before + 1, {}, {CORP})


def test_runs_are_listed_newest_first(place: StorePlace, store: StateStore, lease: Lease) -> None:
    runs = [Run(f"run-{day}", "apply", "ada", f"2026-01-0{day}T00:00:00Z", git_commit="abc") for day in (1, 2, 3)]
    store.write(lease, StateWrite(put_runs=tuple(runs)))
    over = replace(
        runs[1], finished="2026-01-02T00:01:00Z", outcome="failed", plan_digest="d", counts={"create": 3, "update": 0}
    )
    store.write(lease, StateWrite(put_runs=(over,)))
    assert place.open().runs() == (runs[2], over, runs[0])
    assert store.runs(limit=1) == (runs[2],)


def test_the_serial_grows_by_one_with_every_write(place: StorePlace, store: StateStore, lease: Lease) -> None:
    first = store.write(lease, put(record("corp")))
    second = store.write(lease, put(record("corp")))
    assert second == first + 1 == place.open().summary().serial == store.read().serial
    store.renew(lease)
    store.release(lease)
    assert store.summary().serial == second


def test_the_summary_leaves_the_rest_out(store: StateStore, lease: Lease) -> None:
    store.write(lease, StateWrite(put_records=(record("corp"),), put_intents=(intent("labs"),)))
    summary = store.summary()
    assert (summary.records, summary.intents, summary.project) == ({}, {}, "corp-images")


def test_fingerprints_are_those_of_the_records(store: StateStore, lease: Lease) -> None:
    store.write(lease, put(record("corp", fingerprint="f0"), record("corp/ubuntu", provider="edge", fingerprint="f1")))
    assert store.fingerprints() == {CORP: ("default", "f0"), UBUNTU: ("edge", "f1")}


def test_the_snapshot_cannot_be_changed(store: StateStore, lease: Lease) -> None:
    store.write(lease, put(record("corp")))
    with pytest.raises(TypeError):
        store.read().records[UBUNTU] = record("corp/ubuntu")  # type: ignore[index]


def test_the_signing_key_belongs_to_the_state(place: StorePlace) -> None:
    first = place.open()
    key = first.signing_key()
    lineage = first.summary().lineage
    first.acquire(["corp"], "ada")
    assert len(key) == 32
    assert place.open().signing_key() == key
    assert place.open().summary().lineage == lineage != ""


def test_a_write_is_done_whole_or_not_at_all(store: StateStore, lease: Lease) -> None:
    store.write(lease, put(record("corp")))
    before = store.read()
    broken = intent("labs", handle=None)
    with pytest.raises(StateError):
        store.write(lease, StateWrite(put_records=(record("corp/ubuntu"),), forget=(CORP,), put_intents=(broken,)))
    assert store.read() == before
    assert store.write(lease, put(record("labs"))) == before.serial + 1


def test_a_closed_store_leaves_everything_to_the_next(place: StorePlace, store: StateStore, lease: Lease) -> None:
    store.write(lease, put(record("corp")))
    store.close()
    store.close()
    assert set(place.open().read().records) == {CORP}


# Refusals


def test_another_projects_state_is_refused(place: StorePlace, store: StateStore, lease: Lease) -> None:
    store.close()
    before = place.everything()
    with pytest.raises(ForeignState, match="belongs to project 'corp-images', not to 'other'") as caught:
        place.open("other")
    assert "state:" in caught.value.remedy
    assert place.everything() == before


def test_a_newer_schema_is_refused(place: StorePlace, store: StateStore, lease: Lease) -> None:
    store.close()
    place.execute("UPDATE meta SET schema_version = 99")
    place.execute("ALTER TABLE records DROP COLUMN status")
    before = place.everything()
    with pytest.raises(StateTooNew, match="schema version 99") as caught:
        place.open()
    assert "newer release" in caught.value.remedy
    assert place.everything() == before


@pytest.mark.parametrize(
    "damage",
    [
        "INSERT INTO meta SELECT * FROM meta",
        "DELETE FROM meta",
        "ALTER TABLE meta RENAME COLUMN project TO owner",
    ],
)
def test_a_state_that_is_not_ours_in_shape_is_refused(place: StorePlace, store: StateStore, damage: str) -> None:
    store.signing_key()
    store.close()
    place.execute(damage)
    before = place.everything()
    with pytest.raises(StateError, match="damaged"):
        place.open()
    assert place.everything() == before


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE records SET address = 'a/b/c/d'",
        "UPDATE records SET dependencies = 'corp@'",
        "UPDATE records SET status = 'fine'",
        "UPDATE records SET named = '/'",
        "ALTER TABLE records RENAME COLUMN digest TO hash",
    ],
)
def test_rows_that_make_no_sense_are_refused(place: StorePlace, store: StateStore, lease: Lease, damage: str) -> None:
    store.write(lease, put(record("corp")))
    place.execute(damage)
    with pytest.raises(StateError, match=r"state file|PostgreSQL database"):
        place.open().read()


# Upgrades


def test_version_1_is_upgraded_with_all_it_holds(place: StorePlace) -> None:
    place.make_version_1()
    store = place.open(clock=Clock(50.0))
    state = store.read()
    corp = Record(CORP, "default", "/corp", '{"location":"eastus"}', "d0", "f0", protect=True)
    ubuntu = Record(
        UBUNTU,
        "default",
        "/corp/ubuntu",
        '{"osType":"Linux"}',
        "d1",
        "f1",
        '{"n":1}',
        (CORP,),
        Status.TAINTED,
        retain=True,
    )
    assert state.records == {CORP: corp, UBUNTU: ubuntu}
    assert set(state.intents) == {Address("corp", "debian")}
    assert (state.lineage, state.serial, state.project) == ("0f3c", 41, "corp-images")
    assert store.runs()[0].counts == {"create": 2}
    assert store.signing_key() == bytes(range(32))
    assert place.execute("SELECT schema_version FROM meta")[0][0] == 3
    assert state.key
    assert not state.sealed


def test_an_upgraded_state_goes_on(place: StorePlace) -> None:
    place.make_version_1()
    clock = Clock(50.0)
    store = place.open(clock=clock)
    with pytest.raises(LockHeld, match="ada"):
        store.acquire(["corp"], "bob")
    clock.now = 100.0
    lease = store.acquire(["corp"], "bob")
    assert lease.fence > 7
    assert store.write(lease, put(record("corp", named=UBUNTU))) == 42
    assert place.open().read().records[CORP].named == UBUNTU


def test_another_projects_state_is_not_upgraded(place: StorePlace) -> None:
    place.make_version_1()
    before = place.everything()
    with pytest.raises(ForeignState):
        place.open("other")
    assert place.everything() == before
