"""What every state store promises, tried on each of them for real."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from support.stores import Clock, StorePlace, addresses, intent, record

from manifests.address import Address
from state.errors import ForeignState, LockHeld, StaleWrite, StateError, StateTooNew
from state.records import Intent, Record, Run, State, Status
from state.store import Lease, StateStore, StateWrite

CORP = Address("corp")
UBUNTU = Address("corp", "ubuntu")


@pytest.fixture
def store(place: StorePlace) -> StateStore:
    return place.open()


@pytest.fixture
def lease(store: StateStore) -> Lease:
    return store.acquire({"corp", "labs"}, "ada")


def put(*records: Record) -> StateWrite:
    return StateWrite(put_records=records)


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


# Moves


def move(store: StateStore, lease: Lease, *pairs: tuple[str, str]) -> None:
    moves = tuple((Address.parse(source), Address.parse(target)) for source, target in pairs)
    store.write(lease, StateWrite(moves=moves))


def test_a_moved_record_keeps_the_name_of_its_object(store: StateStore, lease: Lease) -> None:
    store.write(lease, put(record("corp"), record("corp/ubuntu", "corp")))
    move(store, lease, ("corp/ubuntu", "corp/jammy"))
    moved = store.read().records[Address("corp", "jammy")]
    assert moved == replace(record("corp/ubuntu", "corp"), address=Address("corp", "jammy"), named=UBUNTU)
    move(store, lease, ("corp/jammy", "corp/noble"))
    assert store.read().records[Address("corp", "noble")].named == UBUNTU
    move(store, lease, ("corp/noble", "corp/ubuntu"))
    assert store.read().records[UBUNTU] == record("corp/ubuntu", "corp")


def test_a_move_renames_dependencies_in_every_gallery(store: StateStore) -> None:
    lease = store.acquire(["corp", "labs"], "ada")
    version, dependent = (
        record("corp/ubuntu/1.0.0", "corp/ubuntu"),
        record("labs/a/1.0.0", "labs/a", "corp/ubuntu/1.0.0"),
    )
    store.write(lease, put(record("corp/ubuntu", "corp"), version, dependent))
    store.release(lease)
    lease = store.acquire(["corp"], "ada")
    move(store, lease, ("corp/ubuntu", "corp/jammy"), ("corp/ubuntu/1.0.0", "corp/jammy/1.0.0"))
    records = store.read().records
    assert records[Address("corp", "jammy", "1.0.0")].dependencies == addresses(["corp/jammy"])
    assert records[dependent.address].dependencies == addresses(["labs/a", "corp/jammy/1.0.0"])


def test_two_records_may_change_places(store: StateStore, lease: Lease) -> None:
    store.write(lease, put(record("corp/a", object_id="1"), record("corp/b", object_id="2")))
    move(store, lease, ("corp/a", "corp/b"), ("corp/b", "corp/a"))
    records = store.read().records
    assert {str(address): found.object_id for address, found in records.items()} == {"corp/a": "2", "corp/b": "1"}


def test_a_move_comes_before_the_rest_of_its_write(store: StateStore, lease: Lease) -> None:
    store.write(lease, put(record("corp/a")))
    moves = ((Address("corp", "a"), Address("corp", "b")),)
    store.write(lease, StateWrite(moves=moves, put_records=(record("corp/a", object_id="after"),)))
    assert store.read().records[Address("corp", "a")].object_id == "after"
    assert store.read().records[Address("corp", "b")].object_id == "/objects/corp/a"


def test_moving_what_is_not_there_does_nothing(store: StateStore, lease: Lease) -> None:
    store.write(lease, put(record("corp")))
    move(store, lease, ("corp/ubuntu", "corp/jammy"))
    assert set(store.read().records) == {CORP}


@pytest.mark.parametrize("pairs", [[("corp/a", "corp/b")], [("corp/a", "corp/c"), ("corp/b", "corp/c")]])
def test_two_objects_never_get_one_address(store: StateStore, lease: Lease, pairs: list[tuple[str, str]]) -> None:
    store.write(lease, put(record("corp/a"), record("corp/b")))
    before = store.read()
    with pytest.raises(StateError, match=f"two objects would be called {pairs[0][1]}"):
        move(store, lease, *pairs)
    assert store.read() == before


# Leases


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


@pytest.mark.parametrize(
    "change",
    [
        StateWrite(put_records=(record("zoo/a"),)),
        StateWrite(forget=(Address("zoo"),)),
        StateWrite(put_intents=(intent("zoo"),)),
        StateWrite(clear_intents=(Address("zoo"),)),
        StateWrite(moves=((CORP, Address("zoo")),)),
        StateWrite(moves=((Address("zoo"), CORP),)),
    ],
)
def test_a_write_stays_within_its_lease(store: StateStore, lease: Lease, change: StateWrite) -> None:
    store.write(lease, put(record("corp")))
    before = store.read()
    with pytest.raises(StaleWrite, match="does not cover 'zoo'"):
        store.write(lease, change)
    assert store.read() == before


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
    assert place.execute("SELECT schema_version FROM meta")[0][0] == 2


def test_an_upgraded_state_goes_on(place: StorePlace) -> None:
    place.make_version_1()
    clock = Clock(50.0)
    store = place.open(clock=clock)
    with pytest.raises(LockHeld, match="ada"):
        store.acquire(["corp"], "bob")
    clock.now = 100.0
    lease = store.acquire(["corp"], "bob")
    assert lease.fence == 8
    assert store.write(lease, put(record("corp", named=UBUNTU))) == 42
    assert place.open().read().records[CORP].named == UBUNTU


def test_another_projects_state_is_not_upgraded(place: StorePlace) -> None:
    place.make_version_1()
    before = place.everything()
    with pytest.raises(ForeignState):
        place.open("other")
    assert place.everything() == before


def test_two_who_upgrade_at_once_upgrade_once(place: StorePlace) -> None:
    place.make_version_1()
    assert {state.serial for state in at_once(4, lambda number: place.open().read())} == {41}


# Several at once


def at_once(count: int, do: Callable[[int], State | Lease | None]) -> list[State | Lease | None]:
    """What `do(0)`, `do(1)`, ... returned, each called by a thread of its own at the same moment."""
    start = threading.Barrier(count)

    def one(number: int) -> State | Lease | None:
        start.wait()
        return do(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_those_who_begin_a_state_at_once_share_it(place: StorePlace) -> None:
    stores = [place.open() for _ in range(6)]
    at_once(6, lambda number: stores[number].acquire([f"gallery-{number}"], "ada"))
    assert len({store.summary().lineage for store in stores} | {place.open().summary().lineage}) == 1
    assert len({store.signing_key() for store in stores}) == 1


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
from state.store import StateWrite
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
