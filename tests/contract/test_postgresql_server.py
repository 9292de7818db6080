"""What only a server can do to a store: lose the connection, refuse a user, keep others waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.estates import Estate, definition, gallery, version
from support.postgres import PostgresServer
from support.stores import PROJECT, StorePlace, record

from reconciler.cli.app import run
from reconciler.manifests.address import Address
from reconciler.state.errors import ForeignState, StateError, StateUnreadable
from reconciler.state.opening import open_store
from reconciler.state.sql_store import postgresql
from reconciler.state.store import StateWrite

CORP = Address("corp")
PUT_CORP = StateWrite(put_records=(record("corp"),))


@pytest.fixture
def server_place(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[StorePlace]:
    place = StorePlace(postgres_server.database(), tmp_path)
    yield place
    place.close()


def hang_up(place: StorePlace) -> None:
    """Ends every connection to the place's database but the one that asks for it."""
    place.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def test_a_connection_lost_while_idle_is_made_again(server_place: StorePlace) -> None:
    store = server_place.open()
    lease = store.acquire(["corp"], "ada")
    hang_up(server_place)
    store.write(lease, PUT_CORP)
    hang_up(server_place)
    assert set(store.read().records) == {CORP}


def test_a_connection_lost_in_a_write_undoes_it(server_place: StorePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    store = server_place.open()
    lease = store.acquire(["corp"], "ada")
    original = postgresql.PostgresqlDatabase.execute_many

    def hang_up_after(database: postgresql.PostgresqlDatabase, sql: str, rows: list[tuple[str]]) -> None:
        original(database, sql, rows)
        if rows:
            hang_up(server_place)

    monkeypatch.setattr(postgresql.PostgresqlDatabase, "execute_many", hang_up_after)
    with pytest.raises(StateUnreadable, match="cannot be reached"):
        store.write(lease, PUT_CORP)
    monkeypatch.undo()
    assert (store.read().records, store.summary().serial) == ({}, 0)
    assert store.write(lease, PUT_CORP) == 1


def test_a_writer_waits_only_so_long(server_place: StorePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "_LOCK_TIMEOUT_S", 1)
    store = server_place.open()
    lease = store.acquire(["corp"], "ada")
    with psycopg.connect(server_place.url) as other:
        other.execute("LOCK TABLE reconciler.meta IN SHARE ROW EXCLUSIVE MODE")
        assert store.read().records == {}
        with pytest.raises(StateError, match="was busy for 1 s"):
            store.write(lease, PUT_CORP)
    assert store.write(lease, PUT_CORP) == 1


def test_a_user_without_rights_is_refused(server_place: StorePlace, postgres_server: PostgresServer) -> None:
    server_place.open().signing_key()
    server_place.execute("CREATE ROLE guest LOGIN")
    url = server_place.url.replace("reconciler@", "guest@")
    with pytest.raises(StateUnreadable, match="denies access") as caught:
        open_store(url, PROJECT, server_place.base)
    assert "privileges on a schema called reconciler" in caught.value.remedy


SQUATTERS = {
    "a schema": ["CREATE SCHEMA reconciler AUTHORIZATION {squatter}", "GRANT ALL ON SCHEMA reconciler TO {worker}"],
    "a table": [
        "CREATE SCHEMA reconciler AUTHORIZATION {worker}",
        "CREATE TABLE reconciler.meta (x int)",
        "ALTER TABLE reconciler.meta OWNER TO {squatter}",
    ],
    "a view": [
        "CREATE SCHEMA reconciler AUTHORIZATION {worker}",
        "CREATE VIEW reconciler.records AS SELECT 1",
        "ALTER VIEW reconciler.records OWNER TO {squatter}",
    ],
}


@pytest.fixture
def roles(server_place: StorePlace) -> dict[str, str]:
    """Two new roles without special rights."""
    database = server_place.url.partition("?")[0].rpartition("/")[2]
    roles = {name: f"{name}_{database}" for name in ("worker", "squatter")}
    for role in roles.values():
        server_place.execute(f"CREATE ROLE {role} LOGIN")
    return roles


@pytest.mark.parametrize("squatting", SQUATTERS)
@pytest.mark.parametrize("user", ["worker", "reconciler"])
def test_what_another_role_owns_is_not_used(
    server_place: StorePlace, roles: dict[str, str], squatting: str, user: str
) -> None:
    for statement in SQUATTERS[squatting]:
        server_place.execute(statement.format(**roles))
    url = server_place.url.replace("reconciler@", f"{roles.get(user, user)}@")
    others = [role for name, role in roles.items() if name != user]  # whichever of them is seen first
    with pytest.raises(StateError, match=f"belongs to another role, '({'|'.join(others)})'") as caught:
        open_store(url, PROJECT, server_place.base)
    assert "OWNER TO ROLE" in caught.value.remedy


def test_what_a_role_of_the_user_owns_is_used(server_place: StorePlace, roles: dict[str, str]) -> None:
    server_place.execute("GRANT {squatter} TO {worker}".format(**roles))
    server_place.execute("CREATE SCHEMA reconciler AUTHORIZATION {squatter}".format(**roles))
    place = StorePlace(server_place.url.replace("reconciler@", f"{roles['worker']}@"), server_place.base)
    assert place.open().signing_key()
    place.close()


def test_reading_makes_no_schema(server_place: StorePlace) -> None:
    server_place.open().read()
    assert server_place.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'reconciler'") == []


def test_projects_share_a_database_in_schemas_of_their_own(server_place: StorePlace) -> None:
    one, other = (StorePlace(f"{server_place.url}&schema={name}", server_place.base) for name in ("team_a", "team_b"))
    try:
        for place, project in ((server_place, PROJECT), (one, "team-a"), (other, "team-b")):
            store = place.open(project)
            store.write(store.acquire(["corp"], project), StateWrite(put_records=(record("corp", object_id=project),)))
        for place, project in ((server_place, PROJECT), (one, "team-a"), (other, "team-b")):
            assert place.open(project).read().records[CORP].object_id == project
        with pytest.raises(ForeignState, match="schema team_a belongs to project 'team-a'"):
            one.open("team-b")
        one.open("team-a").drop()
        assert one.open("team-a").read().lineage == ""
        assert other.open("team-b").read().records
        assert server_place.open().read().records
    finally:
        one.close()
        other.close()


def test_a_schema_of_a_state_may_hold_more(server_place: StorePlace) -> None:
    """What others keep beside a state outlives it."""
    store = server_place.open()
    store.signing_key()
    server_place.execute("CREATE TABLE notes (text TEXT)")
    store.drop()
    assert server_place.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'reconciler'") == [("notes",)]


def test_a_state_moves_to_a_server_and_back(
    server_place: StorePlace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The way of a team from the default file to a database, by commands, and what each of them leaves behind."""
    estate = Estate(tmp_path / "project")
    estate.write([gallery(), definition(), version({"file": estate.image("a.raw", b"first")})])
    estate.apply()
    settings = estate.directory / "reconciler.yaml"
    before = settings.read_text()
    with estate.engine() as engine:
        state = engine.state()

    def command(*words: str) -> int:
        return run(["--project", str(estate.directory), *words])

    assert command("state", "migrate", server_place.url) == 0
    settings.write_text(f"{before}state: {server_place.url}\n")
    with estate.engine() as engine:
        moved = engine.state()
    assert (moved.records, moved.lineage, moved.key) == (state.records, state.lineage, state.key)
    assert command("plan", "--detailed-exitcode") == 0
    assert command("apply", "--auto-approve") == 0
    assert command("state", "migrate", "sqlite:///back.db") == 0
    assert command("plan") == 1
    assert "was migrated to state file" in capsys.readouterr().err.replace("\n", " ")
    settings.write_text(f"{before}state: sqlite:///back.db\n")
    assert command("plan", "--detailed-exitcode") == 0
    assert command("state", "undo", "--auto-approve") == 0
    settings.write_text(f"{before}state: {server_place.url}\n")
    assert command("plan", "--detailed-exitcode") == 0
