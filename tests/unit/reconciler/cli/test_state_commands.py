"""`reconciler state` and `history` from the outside: ways back from a lost, damaged, locked or moved state."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from support.estates import Estate, definition, gallery, version

from reconciler.cli.app import run
from reconciler.manifests.address import Address
from reconciler.state.store import StateWrite

V1 = Address.parse("corp/ubuntu/1.0.0")


class Project(Estate):
    """An estate, and the commands that run in it; `code`, `out` and `err` are of the last one."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        super().__init__(directory)
        self._capture = capture
        self.code, self.out, self.err = 0, "", ""

    def __call__(self, *words: str) -> int:
        self._capture.readouterr()
        self.code = run(["--project", str(self.directory), *words])
        self.out, self.err = self._capture.readouterr()
        return self.code

    @property
    def database(self) -> Path:
        return self.directory / ".reconciler" / "state.db"

    @property
    def key(self) -> Path:
        return self.directory / "owner.key"

    @property
    def lineage(self) -> str:
        with self.engine() as engine:
            return engine.state().lineage

    def sql(self, statement: str) -> None:
        with closing(sqlite3.connect(self.database, isolation_level=None)) as database:
            database.execute(statement)

    def settings(self, **lines: str) -> None:
        path = self.directory / "reconciler.yaml"
        path.write_text(path.read_text() + "".join(f"{name}: {value}\n" for name, value in lines.items()))

    def lose_the_state(self) -> None:
        shutil.rmtree(self.directory / ".reconciler")

    def backups(self) -> list[str]:
        return sorted(path.name for path in (self.directory / ".reconciler" / "backups").glob("*.db"))


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("COLUMNS", "400")
    made = Project(tmp_path / "project", capsys)
    made.image("a.raw", b"first")
    made.write([gallery(), definition(), version({"file": "../images/a.raw"})])
    made.apply()
    return made


# Rebuilding


def test_a_lost_state_is_rebuilt_with_its_key(project: Project) -> None:
    project.write([gallery(), definition(lifecycle={"protect": True}), version({"file": "../images/a.raw"})])
    project.apply()
    assert project("state", "key", "export", str(project.key)) == 0
    before, lineage = project.tree(), project.lineage
    with project.engine() as engine:
        records = engine.state().records
    project.lose_the_state()
    assert project("state", "rebuild", "--key", str(project.key), "--auto-approve") == 0
    assert "Done: 5 recorded" in project.out
    with project.engine() as engine:
        state = engine.state()
    assert (state.lineage, state.sealed) == (lineage, True)
    assert {
        at: (each.canonical, each.computed, each.fingerprint, each.protect, each.dependencies)
        for at, each in state.records.items()
    } == {
        at: (each.canonical, each.computed, each.fingerprint, each.protect, each.dependencies)
        for at, each in records.items()
    }
    assert project("plan", "--detailed-exitcode") == 0
    assert project("drift", "--deep") == 0
    assert project.tree() == before


def test_a_rebuilt_state_is_the_owner_of_what_it_records(project: Project) -> None:
    project("state", "key", "export", str(project.key))
    project.lose_the_state()
    project("state", "rebuild", "--key", str(project.key), "--auto-approve")
    project.write(
        [gallery(description="new"), definition(), version({"file": "../images/a.raw"}, endOfLifeDate="2040-01-01")]
    )
    assert project("apply", "--auto-approve") == 0
    assert project("destroy", "--auto-approve") == 0
    assert not [path for path in project.tree() if path.endswith(".raw")]


def test_without_a_key_nothing_is_trusted_unless_its_lineage_is_named(project: Project) -> None:
    lineage = project.lineage
    project.lose_the_state()
    assert project("state", "rebuild", "--auto-approve") == 1
    assert lineage in project.err
    assert "--accept-unverified" in project.err
    assert not project.database.exists()
    assert project("state", "rebuild", "--accept-unverified", lineage, "--auto-approve") == 0
    assert "not all verified" in project.out
    with project.engine() as engine:
        assert (engine.state().lineage, engine.state().sealed) == (lineage, False)
    assert project("apply", "--auto-approve") == 0
    assert "copied" not in project.out
    assert project("plan", "--detailed-exitcode") == 0
    with project.engine() as engine:
        assert engine.state().sealed


def test_marks_of_another_key_are_not_ours(project: Project) -> None:
    project("state", "key", "export", str(project.key))
    content = json.loads(project.key.read_text())
    project.key.write_text(json.dumps({**content, "key": "00" * 32}))
    project.lose_the_state()
    assert project("state", "rebuild", "--key", str(project.key), "--auto-approve") == 0
    assert "was not made with this key" in project.out
    assert "Nothing to record" in project.out
    assert not project.database.exists()


def test_a_copied_folder_is_not_recorded_twice(project: Project) -> None:
    eastus = project.regions / "eastus" / "corp"
    shutil.copytree(eastus / "ubuntu" / "1.0.0", eastus / "ubuntu" / "2.0.0")
    shutil.copy(eastus / "ubuntu" / "1.0.0.json", eastus / "ubuntu" / "2.0.0.json")
    lineage = project.lineage
    project.lose_the_state()
    assert project("state", "rebuild", "--accept-unverified", lineage, "--auto-approve") == 0
    assert "as a copy of that object does" in project.out
    with project.engine() as engine:
        assert not [address for address in engine.state().records if address.version == "2.0.0"]


def test_forgotten_objects_are_recorded_again_and_others_stay(project: Project) -> None:
    project("state", "forget", "corp/ubuntu")
    with project.engine() as engine:
        lease = engine.store.acquire({"corp"}, "ada")
        kept = engine.state().records[Address("corp")]
        engine.store.release(lease)
    assert project("state", "rebuild", "--auto-approve") == 0
    assert "Done: 4 recorded" in project.out
    with project.engine() as engine:
        assert engine.state().records[Address("corp")] == kept
    assert project("plan", "--detailed-exitcode") == 0


def test_what_is_recorded_is_not_given_to_another_lineage(project: Project) -> None:
    before = project.database.read_bytes()
    assert project("state", "rebuild", "--accept-unverified", "another", "--auto-approve") == 1
    assert "already records objects of lineage" in project.err
    assert project.database.read_bytes() == before


def test_an_unreachable_region_is_reported_and_not_read_as_empty(project: Project) -> None:
    lineage = project.lineage
    project.lose_the_state()
    settings = project.directory / "reconciler.yaml"
    settings.write_text(
        settings.read_text().replace("root: regions", "regions: {eastus: regions/eastus, westus: gone}")
    )
    assert project("state", "rebuild", "--accept-unverified", lineage, "--auto-approve") == 3
    assert "? unknown" in project.out
    (project.regions / "westus").rename(project.directory / "gone")
    assert project("state", "rebuild", "--auto-approve") == 0
    assert project("apply", "--auto-approve") == 0
    assert project("plan", "--detailed-exitcode") == 0


def test_a_damaged_copy_is_recorded_and_repaired(project: Project) -> None:
    lineage = project.lineage
    project.lose_the_state()
    (copy,) = (project.regions / "westus" / "corp" / "ubuntu" / "1.0.0").glob("*.raw")
    copy.chmod(0o644)
    copy.write_bytes(b"short")
    assert project("state", "rebuild", "--accept-unverified", lineage, "--auto-approve") == 0
    assert project("drift") == 2
    assert "damaged" in project.out
    assert project("apply", "--auto-approve") == 0
    assert project("drift", "--deep") == 0


def test_a_new_lease_is_above_every_fence_in_the_world(project: Project) -> None:
    """What a run of the lost state wrote is not out of reach of the rebuilt one."""
    for number in range(3):
        project.write([gallery(description=str(number)), definition(), version({"file": "../images/a.raw"})])
        project.apply()
    with project.engine() as engine:
        lease = engine.store.acquire({"corp"}, "ada")
        fence = lease.fence
        engine.store.release(lease)
    lineage = project.lineage
    project.lose_the_state()
    project("state", "rebuild", "--accept-unverified", lineage, "--auto-approve")
    with project.engine() as engine:
        world = engine._observe(engine.state())
        assert engine.store.acquire({"corp"}, "ada").fence > world.fence
    assert fence


def test_a_key_file_is_private_and_never_overwritten(project: Project) -> None:
    assert project("state", "key", "export", str(project.key)) == 0
    assert project.key.stat().st_mode & 0o777 == 0o600
    with project.engine() as engine:
        key = engine.state().key.hex()
    assert key in project.key.read_text()
    assert key not in project.out + project.err
    before = project.key.read_bytes()
    assert project("state", "key", "export", str(project.key)) == 1
    assert "already exists" in project.err
    assert project.key.read_bytes() == before


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"kind": "reconciler owner key", "lineage": "x", "key": "00"}'])
def test_another_file_is_no_key(project: Project, content: str) -> None:
    project.key.write_text(content)
    assert project("state", "rebuild", "--key", str(project.key), "--auto-approve") == 1
    assert "is not a key file" in project.err


# Damage


@pytest.mark.parametrize(
    "damage",
    ["UPDATE records SET canonical = '{' WHERE address = 'corp/ubuntu/1.0.0'", "UPDATE records SET computed = ''"],
)
@pytest.mark.parametrize("warm", [True, False])
def test_a_damaged_row_stops_every_command_and_is_named(project: Project, damage: str, warm: bool) -> None:
    if warm:
        project("plan")
        project("plan")
    project.sql(damage)
    for words in (["plan"], ["apply", "--auto-approve"], ["drift"], ["show"], ["destroy", "--auto-approve"]):
        assert project(*words) == 1, words
        assert "the record of 'corp" in project.err
        assert "reconciler state check" in project.err
        assert "bug" not in project.err


def test_a_damaged_row_is_dropped_and_recorded_again(project: Project) -> None:
    before = project.tree()
    project.sql("UPDATE records SET canonical = '{' WHERE address = 'corp/ubuntu/1.0.0'")
    assert project("state", "check") == 1
    assert "the record of 'corp/ubuntu/1.0.0': canonical is not valid JSON" in project.out
    assert "--drop-damaged" in project.out
    assert project("state", "check", "--drop-damaged") == 0
    assert project("state", "rebuild", "--auto-approve") == 0
    assert project("state", "check") == 0
    assert project("plan", "--detailed-exitcode") == 0
    assert project.tree() == before


def test_a_sound_state_is_called_that(project: Project) -> None:
    assert project("state", "check") == 0
    assert "nothing is damaged" in project.out


def test_a_file_with_broken_pages_is_found(project: Project) -> None:
    content = bytearray(project.database.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 8] = b"\xff" * 8
    project.database.write_bytes(content)
    assert project("state", "check") == 1
    assert "Traceback" not in project.err


def test_an_empty_state_file_is_called_that(project: Project) -> None:
    for path in project.database.parent.glob("state.db*"):
        path.unlink()
    project.database.touch()
    assert project("plan") == 1
    assert "is empty: 0 bytes" in project.err
    assert "reconciler state rebuild" in project.err
    assert "another program" not in project.err


# Backups and undo


def test_a_backup_is_a_state_that_can_be_used(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "kept.db"
    assert project("state", "backup", str(file)) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    project.lose_the_state()
    project.database.parent.mkdir()
    shutil.copy(file, project.database)
    assert project("plan", "--detailed-exitcode") == 0
    assert project("state", "backup", str(file)) == 1
    assert "already exists" in project.err


EDITS = {
    "mv": ["mv", "corp/ubuntu", "corp/jammy"],
    "forget": ["forget", "corp/ubuntu"],
    "taint": ["taint", "corp/ubuntu/1.0.0"],
}


@pytest.mark.parametrize("edit", sorted(EDITS))
def test_an_edit_is_backed_up_and_taken_back(project: Project, edit: str) -> None:
    with project.engine() as engine:
        before = engine.state().records
    assert project("state", *EDITS[edit]) == 0
    assert [name for name in project.backups() if name.endswith(f"before-{edit}.db")]
    with project.engine() as engine:
        assert engine.state().records != before
    assert project("state", "undo", "--auto-approve") == 0
    assert f"Taken back: state {edit}" in project.out
    with project.engine() as engine:
        assert engine.state().records == before
    assert project("plan", "--detailed-exitcode") == 0
    assert project("state", "undo", "--auto-approve") == 1
    assert "no edit" in project.err


def test_a_rebuild_is_taken_back(project: Project) -> None:
    project("state", "forget", "corp/ubuntu")
    project("state", "rebuild", "--auto-approve")
    assert project("state", "undo", "--auto-approve") == 0
    with project.engine() as engine:
        assert set(engine.state().records) == {Address("corp")}


def test_an_apply_is_never_taken_back(project: Project) -> None:
    project("state", "taint", "corp")
    project("state", "untaint", "corp")
    project.write([gallery(description="new"), definition(), version({"file": "../images/a.raw"})])
    project.apply()
    with project.engine() as engine:
        before = engine.state().records
    assert project("state", "undo", "--auto-approve") == 1
    assert "written to since by apply" in project.err
    with project.engine() as engine:
        assert engine.state().records == before


def test_an_edit_that_fails_leaves_no_backup(project: Project) -> None:
    assert project("state", "forget", "corp/nothing") == 1
    assert project.backups() == []


def test_only_the_newest_automatic_backups_are_kept(project: Project) -> None:
    for _ in range(11):
        project("state", "taint", "corp")
        project("state", "untaint", "corp")
    assert len(project.backups()) == 20


# Moving to another store


def test_a_state_moves_and_the_file_it_left_refuses(project: Project) -> None:
    project("plan")
    assert project("state", "migrate", "sqlite:///moved.db") == 0
    assert "state: sqlite:///moved.db" in project.out
    assert project("plan") == 1
    assert "was migrated to" in project.err
    project.settings(state="sqlite:///moved.db")
    assert project("plan", "--detailed-exitcode") == 0
    assert project("history") == 0
    assert "state migrate" in project.out
    assert "apply" in project.out


def test_a_migration_is_taken_back(project: Project) -> None:
    settings = (project.directory / "reconciler.yaml").read_text()
    project("state", "migrate", "sqlite:///moved.db")
    project.settings(state="sqlite:///moved.db")
    assert project("state", "undo", "--auto-approve") == 0
    assert "state: sqlite:///.reconciler/state.db" in project.out
    assert not (project.directory / "moved.db").exists()
    (project.directory / "reconciler.yaml").write_text(settings)
    assert project("plan", "--detailed-exitcode") == 0


def test_a_migration_is_not_taken_back_after_an_apply(project: Project) -> None:
    project("state", "migrate", "sqlite:///moved.db")
    project.settings(state="sqlite:///moved.db")
    project.write([gallery(description="new"), definition(), version({"file": "../images/a.raw"})])
    project.apply()
    assert project("state", "undo", "--auto-approve") == 1
    assert project("plan", "--detailed-exitcode") == 0


def test_a_state_does_not_move_onto_another(project: Project, tmp_path: Path) -> None:
    project("state", "backup", str(project.directory / "other.db"))
    assert project("state", "migrate", "sqlite:///other.db") == 1
    assert "is not empty" in project.err
    assert project("plan", "--detailed-exitcode") == 0


def test_a_running_apply_is_not_moved_away(project: Project) -> None:
    with project.engine() as engine:
        lease = engine.store.acquire({"labs"}, "somebody else")
        assert project("state", "migrate", "sqlite:///moved.db") == 1
        assert "somebody else" in project.err
        engine.store.release(lease)
    assert not (project.directory / "moved.db").exists()


def test_another_store_does_not_mean_an_empty_state(project: Project) -> None:
    project.settings(state="sqlite:///other.db")
    for words in (["plan"], ["apply", "--auto-approve"], ["plan", "--refresh", "false"]):
        assert project(*words) == 1
        assert "records 5 objects of this project" in project.err
        assert "reconciler state migrate --from sqlite:///.reconciler/state.db" in project.err
        assert "move that file away" in project.err
    assert project("state", "migrate", "--from", "sqlite:///.reconciler/state.db") == 0
    assert project("plan", "--detailed-exitcode") == 0


def test_a_default_state_of_another_environment_does_not_count(project: Project) -> None:
    project.settings(environments="{prod: {state: 'sqlite:///prod.db', provider: {type: local, root: prod}}}")
    assert project("plan", "--environment", "prod", "--detailed-exitcode") == 2


def test_passwords_are_not_repeated(project: Project) -> None:
    from reconciler.maintenance.migration import without_password

    url = "postgresql://ada:secret@db.example:5432/images?sslmode=require&password=secret&schema=corp"
    assert without_password(url) == "postgresql://ada@db.example:5432/images?sslmode=require&schema=corp"


# Locks


HOLDER = """
import sys, time
from pathlib import Path
from reconciler.state.opening import open_store
store = open_store("sqlite:///.reconciler/state.db", "test", Path(sys.argv[1]))
lease = store.acquire(["corp"], "ada on build-7")
print("held", flush=True)
sys.stdin.readline()
store.release(lease)
"""


@pytest.fixture
def holder(project: Project) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(project.directory)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def let_go_soon(holder: subprocess.Popen[str]) -> None:
    import threading

    def release() -> None:
        time.sleep(0.5)
        holder.communicate("\n")

    threading.Thread(target=release).start()


@pytest.mark.parametrize(
    "words",
    [
        ["state", "migrate", "sqlite:///moved.db"],
        ["state", "check", "--drop-damaged"],
        ["apply", "--auto-approve"],
        ["destroy", "--auto-approve"],
        ["state", "taint", "corp"],
        ["state", "forget", "corp"],
    ],
)
def test_a_command_waits_for_a_lease_and_says_for_whom(
    project: Project, holder: subprocess.Popen[str], words: list[str]
) -> None:
    project.write([gallery(description="new"), definition(), version({"file": "../images/a.raw"})])
    assert project(*words) == 1
    assert "ada on build-7" in project.err
    assert "--lock-timeout" in project.err
    let_go_soon(holder)
    assert project(*words, "--lock-timeout", "30") == 0
    said = (project.out + project.err).count("is being changed by ada on build-7")
    assert said == (2 if words[0] in ("apply", "destroy") else 1)  # their plans warn of it as well


def test_waiting_ends(project: Project, holder: subprocess.Popen[str]) -> None:
    assert project("state", "taint", "corp", "--lock-timeout", "0.2") == 1
    assert "is being changed by ada on build-7" in project.err
    holder.communicate("\n")


def test_unlock_names_the_holder_and_the_risk(project: Project, holder: subprocess.Popen[str]) -> None:
    assert project("state", "unlock", "corp") == 1
    assert "--auto-approve" in project.err
    assert project("state", "unlock", "corp", "--auto-approve") == 0
    assert "ada on build-7" in project.out
    assert "Make sure that it has ended" in project.out
    assert "unlocked corp" in project.out
    assert project("state", "taint", "corp") == 0
    assert project("state", "unlock", "corp", "--auto-approve") == 0
    assert "No run holds a lease on 'corp'" in project.out
    holder.communicate("\n")


# History


def test_history_shows_runs_and_who_changed_an_object(project: Project) -> None:
    project("state", "mv", "corp/ubuntu", "corp/jammy")
    assert project("history") == 0
    assert [line.split()[2] for line in project.out.splitlines()] == ["state", "apply"]
    assert project("history", "corp/jammy/1.0.0") == 0
    assert "moved from corp/ubuntu/1.0.0" in project.out
    assert project("history", "corp/ubuntu/1.0.0", "--json") == 0
    events = [json.loads(line) for line in project.out.splitlines()]
    assert {(event["address"], event["action"], event["run"]["command"]) for event in events} == {
        ("corp/ubuntu/1.0.0", "create", "apply"),
        ("corp/ubuntu/1.0.0@eastus", "create", "apply"),
        ("corp/ubuntu/1.0.0@westus", "create", "apply"),
    }
    assert project("history", "--format", "markdown") == 0
    assert "| started |" in project.out
    assert project("history", "corp/nothing") == 0
    assert "No change is remembered" in project.out


def test_old_runs_are_removed_as_the_project_says(project: Project) -> None:
    project.settings(history="{keep: 2}")
    for number in range(4):
        project.write([gallery(description=str(number)), definition(), version({"file": "../images/a.raw"})])
        project.apply()
    with project.engine() as engine:
        assert len(engine.runs(100)) == 2
        assert {change.run for change, _ in engine.changes(Address("corp"), 100)} <= {
            run.id for run in engine.runs(100)
        }


def test_what_is_done_again_is_remembered_once_for_each_run(project: Project) -> None:
    with project.engine() as engine:
        lease = engine.store.acquire({"corp"}, "ada")
        engine.store.write(lease, StateWrite(forget=(V1._replace(region="westus"),)))
        engine.store.release(lease)
    project.apply()
    with project.engine() as engine:
        assert [change.action for change, _ in engine.changes(V1._replace(region="westus"), 10)] == ["adopt", "create"]
