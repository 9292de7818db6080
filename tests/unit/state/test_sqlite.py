"""The state file: who may read it, what is refused, and that a refused file stays as it was, to the byte."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.stores import PROJECT, StorePlace, record

from reconciler.manifests.address import Address
from reconciler.manifests.trust import Trust
from reconciler.state.errors import StateError, StateTooNew, StateUnreadable
from reconciler.state.opening import open_store
from reconciler.state.sql_store import sqlite
from reconciler.state.store import StateWrite

CORP = Address("corp")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[StorePlace]:
    place = StorePlace("sqlite:///.reconciler/state.db", tmp_path)
    yield place
    place.close()


def fill(place: StorePlace, *, count: int = 1) -> None:
    """Makes a state with records in it and leaves it closed."""
    store = place.open()
    lease = store.acquire(["corp"], "ada")
    store.write(lease, StateWrite(put_records=(record("corp"), *(record(f"corp/d{n}", "corp") for n in range(count)))))
    store.release(lease)
    store.close()


def leave_a_log(place: StorePlace, sql: str) -> None:
    """Runs SQL in a process that is killed before the log it leaves is carried over into the file."""
    code = "c = sqlite3.connect(place.file, isolation_level=None); c.execute(sys.argv[3]); os.kill(os.getpid(), 9)"
    with place.child(code, sql) as process:
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert log_of(place).stat().st_size > 0


def log_of(place: StorePlace) -> Path:
    return place.file.with_name("state.db-wal")


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Where it is, and who may read it


def test_relative_paths_start_at_the_base(tmp_path: Path) -> None:
    open_store("sqlite:///some/where/state.db", PROJECT, tmp_path).signing_key()
    assert (tmp_path / "some/where/state.db").is_file()


def test_four_slashes_are_an_absolute_path(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    open_store(url, PROJECT, Path("/nowhere"), trust=Trust(state=url)).signing_key()
    assert (tmp_path / "state.db").is_file()


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    url = "sqlite:///50% of #1?mode=memory/Zürich state.db"
    key = open_store(url, PROJECT, tmp_path).signing_key()
    assert open_store(url, PROJECT, tmp_path).signing_key() == key
    assert (tmp_path / "50% of #1?mode=memory/Zürich state.db").is_file()


def test_reading_makes_nothing(place: StorePlace) -> None:
    store = place.open()
    store.read(), store.summary(), store.fingerprints(), store.runs()
    assert list(place.base.iterdir()) == []


def test_only_the_owner_may_read_what_is_made(place: StorePlace) -> None:
    before = os.umask(0)
    try:
        store = place.open()
        store.write(store.acquire(["corp"], "ada"), StateWrite(put_records=(record("corp"),)))
    finally:
        os.umask(before)
    files = {path.name: rights(path) for path in place.file.parent.iterdir()}
    assert files == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}
    assert rights(place.file.parent) == 0o700


def test_closing_leaves_one_file(place: StorePlace) -> None:
    fill(place)
    assert [path.name for path in place.file.parent.iterdir()] == ["state.db"]


@pytest.mark.parametrize(("folder", "mode"), [("shared", 0o755), (".reconciler", 0o700)])
def test_a_folder_that_exists_keeps_its_rights_unless_it_is_ours(tmp_path: Path, folder: str, mode: int) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder).chmod(0o755)
    place = StorePlace(f"sqlite:///{folder}/state.db", tmp_path)
    fill(place)
    place.close()
    assert rights(tmp_path / folder) == mode


def test_commits_are_synced(place: StorePlace) -> None:
    fill(place)
    with closing(sqlite._connection(place.file.as_uri())) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# What is refused


def random_bytes(path: Path) -> None:
    path.write_bytes(random.Random(7).randbytes(20_000))


def text(path: Path) -> None:
    path.write_text("kind: Gallery\nname: corp\n" * 200, "utf-8")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def another_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE meta (schema_version, project, lineage, serial)")
        database.commit()


def truncated(path: Path) -> None:
    fill(StorePlace(f"sqlite:///{path.name}", path.parent), count=400)
    os.truncate(path, path.stat().st_size // 2)


def header_only(path: Path) -> None:
    fill(StorePlace(f"sqlite:///{path.name}", path.parent))
    os.truncate(path, 100)


def pages_overwritten(path: Path) -> None:
    fill(StorePlace(f"sqlite:///{path.name}", path.parent), count=400)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(7).randbytes(path.stat().st_size - 4096))


@pytest.mark.parametrize(
    "damage", [random_bytes, text, empty, another_database, truncated, header_only, pages_overwritten]
)
def test_a_damaged_or_strange_file_is_refused_and_left(place: StorePlace, damage: Callable[[Path], None]) -> None:
    place.file.parent.mkdir()
    damage(place.file)
    before = place.everything()
    with pytest.raises(StateUnreadable) as caught:
        place.open().read()
    assert str(place.file) in caught.value.message
    assert caught.value.remedy
    with pytest.raises(StateUnreadable):
        place.open().acquire(["corp"], "ada")
    place.close()
    assert place.everything() == before
    assert [path.name for path in place.file.parent.iterdir()] == ["state.db"]


def test_a_folder_is_refused(place: StorePlace) -> None:
    place.file.mkdir(parents=True)
    with pytest.raises(StateUnreadable, match="is a folder"):
        place.open()
    assert list(place.file.iterdir()) == []


def test_a_pipe_is_refused_without_waiting(place: StorePlace) -> None:
    place.file.parent.mkdir()
    os.mkfifo(place.file)
    with pytest.raises(StateUnreadable, match="is not a file"):
        place.open()


def test_a_file_on_the_way_is_refused(place: StorePlace) -> None:
    place.file.parent.write_text("not a folder", "utf-8")
    with pytest.raises(StateUnreadable, match="Not a directory"):
        place.open()
    assert place.file.parent.read_text("utf-8") == "not a folder"


def test_a_newer_state_with_a_log_is_left_to_the_byte(place: StorePlace) -> None:
    fill(place)
    leave_a_log(place, "UPDATE meta SET schema_version = 99")
    before = place.everything(), log_of(place).read_bytes()
    with pytest.raises(StateTooNew):
        place.open()
    assert (place.everything(), log_of(place).read_bytes()) == before


def test_a_log_that_a_killed_process_left_is_read_and_then_carried_over(place: StorePlace) -> None:
    fill(place)
    leave_a_log(place, "UPDATE records SET object_id = 'from the log'")
    before = place.everything()
    store = place.open()
    assert store.read().records[CORP].object_id == "from the log"
    assert place.everything() == before
    store.acquire(["corp"], "ada")
    store.close()
    assert not log_of(place).exists()
    assert place.open().read().records[CORP].object_id == "from the log"


def test_a_file_that_vanishes_while_it_is_in_use_is_not_written_into_the_void(place: StorePlace) -> None:
    store = place.open()
    lease = store.acquire(["corp"], "ada")
    place.file.rename(place.file.with_name("elsewhere"))
    with pytest.raises(StateUnreadable, match="removed or replaced"):
        store.write(lease, StateWrite(put_records=(record("corp"),)))
    place.file.with_name("elsewhere").rename(place.file)
    assert store.write(lease, StateWrite(put_records=(record("corp"),))) == 1


def test_a_state_that_was_replaced_is_not_written(place: StorePlace) -> None:
    store = place.open()
    lease = store.acquire(["corp"], "ada")
    fill(StorePlace("sqlite:///other.db", place.base))
    (place.base / "other.db").replace(place.file)
    before = place.everything()
    with pytest.raises(StateUnreadable, match="removed or replaced"):
        store.write(lease, StateWrite(put_records=(record("corp", object_id="lost"),)))
    assert place.everything() == before


def test_a_busy_file_is_reported(place: StorePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(place)
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_S", 0.1)
    with closing(sqlite3.connect(place.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store = place.open()
        assert set(store.read().records) == {CORP, Address("corp", "d0")}
        with pytest.raises(StateError, match="was busy for") as caught:
            store.acquire(["corp"], "ada")
        assert "Try again" in caught.value.remedy


def test_a_writer_waits_for_another(place: StorePlace) -> None:
    fill(place)
    hold = "c = sqlite3.connect(place.file, isolation_level=None); c.execute('BEGIN IMMEDIATE'); "
    hold += "print('held', flush=True); import time; time.sleep(0.3); c.execute('COMMIT')"
    with place.child(hold) as other:
        assert other.stdout is not None
        other.stdout.readline()
        place.open().acquire(["corp"], "ada")
        assert other.wait(timeout=30) == 0


# Rights


READ = "print(sorted(map(str, place.open().read().records)), len(place.open().fingerprints()), place.open().runs())"
READS = "['corp', 'corp/d0'] 2 ()\n"
COMPLAIN = """
from reconciler.manifests.errors import ReconcilerError
try:
    place.open().acquire(["corp"], "ada")
except ReconcilerError as error:
    print(type(error).__name__, error.message, error.remedy)
"""


@pytest.fixture
def locked(place: StorePlace) -> Iterator[StorePlace]:
    """A state in a folder that may be read and not written."""
    fill(place)
    place.file.chmod(0o400)
    place.file.parent.chmod(0o500)
    yield place
    place.file.parent.chmod(0o700)


def test_a_state_that_may_only_be_read_is_read(locked: StorePlace) -> None:
    before = locked.everything()
    assert locked.run_child(READ, unprivileged=True) == READS
    assert "may not be written by this user" in locked.run_child(COMPLAIN, unprivileged=True)
    assert locked.everything() == before


def test_a_state_that_may_only_be_read_is_read_while_another_writes_it(place: StorePlace) -> None:
    fill(place)
    writer = place.open()
    lease = writer.acquire(["corp"], "ada")
    writer.write(lease, StateWrite(put_records=(record("corp", object_id="new"),)))
    place.file.parent.chmod(0o500)
    code = "print(place.open().read().records[Address.parse('corp')].object_id)"
    assert place.run_child(code, unprivileged=True) == "new\n"
    place.file.parent.chmod(0o700)


def test_an_older_state_that_may_only_be_read_is_refused(place: StorePlace) -> None:
    place.make_version_1()
    place.file.chmod(0o400)
    place.file.parent.chmod(0o500)
    before = place.everything()
    assert "may not be written by this user" in place.run_child(COMPLAIN, unprivileged=True)
    place.file.parent.chmod(0o700)
    assert place.everything() == before


def test_a_file_that_may_not_be_read_is_refused(place: StorePlace) -> None:
    fill(place)
    before = place.everything()
    place.file.chmod(0)
    told = place.run_child(COMPLAIN, unprivileged=True)
    place.file.chmod(0o600)
    assert told.startswith("StateUnreadable")
    assert "may not be read by this user" in told
    assert "Give this user permission" in told
    assert place.everything() == before


def test_a_folder_that_may_not_be_entered_is_refused(place: StorePlace) -> None:
    fill(place)
    place.file.parent.chmod(0)
    told = place.run_child(COMPLAIN, unprivileged=True)
    place.file.parent.chmod(0o700)
    assert told.startswith("StateUnreadable")
    assert "Permission denied" in told


def test_a_state_that_may_not_be_created_is_reported(place: StorePlace) -> None:
    place.base.chmod(0o500)
    told = place.run_child(COMPLAIN, unprivileged=True)
    place.base.chmod(0o700)
    assert told.startswith("StateError")
    assert "cannot be created: Permission denied" in told
    assert list(place.base.iterdir()) == []


# Upgrades keep a copy


def test_an_upgrade_keeps_a_copy_with_what_the_log_held(place: StorePlace) -> None:
    place.make_version_1()
    leave_a_log(place, "UPDATE records SET object_id = 'from the log' WHERE address = 'corp'")
    place.open().close()
    copy = place.file.with_name("state.db.v1.bak")
    assert rights(copy) == 0o600
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT schema_version FROM meta").fetchall() == [(1,)]
        assert database.execute("SELECT address, object_id FROM records ORDER BY address").fetchall() == [
            ("corp", "from the log"),
            ("corp/ubuntu", "/corp/ubuntu"),
        ]


def test_the_copy_can_be_put_back(place: StorePlace) -> None:
    place.make_version_1()
    first = place.open()
    records = first.read().records
    first.close()
    place.file.with_name("state.db.v1.bak").replace(place.file)
    assert place.open().read().records == records


def test_a_failed_upgrade_changes_nothing(place: StorePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.state import migrations

    place.make_version_1()
    before = place.everything()
    monkeypatch.setattr(migrations, "UPGRADES", {1: (*migrations.UPGRADES[1], "UPDATE nowhere SET a = 1")})
    with pytest.raises(StateError, match="nowhere"):
        place.open()
    monkeypatch.undo()
    assert place.everything() == before
    assert place.open().summary().serial == 41


def test_a_state_killed_while_it_is_made_is_whole_or_absent(place: StorePlace) -> None:
    code = """
import os
point, calls = int(sys.argv[3]), 0
def counted(call):
    def wrapped(*arguments, **options):
        global calls
        calls += 1
        if calls == point:
            os.kill(os.getpid(), 9)
        return call(*arguments, **options)
    return wrapped
for name in ("mkdir", "open", "close", "link", "fsync", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
place.open().signing_key()
"""
    for point in range(1, 20):
        with place.child(code, str(point)) as process:
            process.communicate()
        assert place.open().read().records == {}
        if process.returncode == 0:
            break
        if place.file.exists():
            place.open().signing_key()
            place.close()
            place.file.unlink()
    assert point > 5
    assert process.returncode == 0


# Addresses of states


@pytest.mark.parametrize("url", ["mysql://ada:secret@db/x", "state.db", "sqlite://", "sqlite:///", "", "postgresql:"])
def test_an_unknown_address_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        open_store(url, PROJECT, tmp_path)
    assert "secret" not in caught.value.message
    assert "sqlite:///PATH" in caught.value.remedy
