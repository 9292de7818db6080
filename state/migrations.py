"""The database's schema, and the upgrade from each version to the next.

Version 1  records, intents, runs, leases and meta
Version 2  a record has the name of its object, if that is not its address, and a lease the process that holds it, so
           that a dead process' lease can be taken over before it expires
Version 3  an intent has the name of its object, as a record has; the identity of the place behind each region; the key
           that owner marks are sealed with, and whether all of them are; who changed which object, the fence of each
           run, the rows that the latest edit replaced, and where a state was moved to

`meta` has one row. `schema_version` and `project` keep their names in every version: they are read before the rest is
known to be readable. `seal_key` is empty where the key of owner marks is derived from the signing key, `moved_to` where
the state is in use here. Runs are ordered by their fence, which only grows, whatever the clocks say.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.state.database import Database, Statement

SCHEMA_VERSION = 3

SCHEMA = (
    """CREATE TABLE meta (
        schema_version INTEGER NOT NULL,
        project TEXT NOT NULL,
        lineage TEXT NOT NULL,
        serial BIGINT NOT NULL,
        fence BIGINT NOT NULL,
        signing_key TEXT NOT NULL,
        seal_key TEXT NOT NULL DEFAULT '',
        sealed INTEGER NOT NULL DEFAULT 0,
        moved_to TEXT NOT NULL DEFAULT ''
    )""",
    """CREATE TABLE records (
        address TEXT PRIMARY KEY,
        provider TEXT NOT NULL,
        object_id TEXT NOT NULL,
        canonical TEXT NOT NULL,
        digest TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        computed TEXT NOT NULL,
        dependencies TEXT NOT NULL,
        status TEXT NOT NULL,
        protect INTEGER NOT NULL,
        retain INTEGER NOT NULL,
        named TEXT NOT NULL DEFAULT ''
    )""",
    """CREATE TABLE intents (
        address TEXT PRIMARY KEY,
        unit TEXT NOT NULL,
        provider TEXT NOT NULL,
        verb TEXT NOT NULL,
        canonical TEXT NOT NULL,
        digest TEXT NOT NULL,
        run TEXT NOT NULL,
        started TEXT NOT NULL,
        handle TEXT NOT NULL,
        named TEXT NOT NULL DEFAULT ''
    )""",
    """CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        command TEXT NOT NULL,
        holder TEXT NOT NULL,
        started TEXT NOT NULL,
        finished TEXT NOT NULL,
        outcome TEXT NOT NULL,
        git_commit TEXT NOT NULL,
        plan_digest TEXT NOT NULL,
        counts TEXT NOT NULL,
        fence BIGINT NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE leases (
        gallery TEXT PRIMARY KEY,
        fence BIGINT NOT NULL,
        holder TEXT NOT NULL,
        process TEXT NOT NULL DEFAULT '',
        since DOUBLE PRECISION NOT NULL,
        heartbeat DOUBLE PRECISION NOT NULL,
        expires DOUBLE PRECISION NOT NULL,
        ttl_s DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE places (
        place TEXT PRIMARY KEY,
        provider TEXT NOT NULL,
        region TEXT NOT NULL,
        identity TEXT NOT NULL
    )""",
    """CREATE TABLE changes (
        address TEXT NOT NULL,
        run TEXT NOT NULL,
        action TEXT NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (address, run)
    )""",
    """CREATE TABLE undo (
        run TEXT PRIMARY KEY,
        serial BIGINT NOT NULL,
        content TEXT NOT NULL
    )""",
)
_NEW_IN_3 = SCHEMA[-3:]

UPGRADES: Mapping[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE records ADD COLUMN named TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE leases ADD COLUMN process TEXT NOT NULL DEFAULT ''",
    ),
    2: (
        "ALTER TABLE intents ADD COLUMN named TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE meta ADD COLUMN seal_key TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE meta ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE meta ADD COLUMN moved_to TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE runs ADD COLUMN fence BIGINT NOT NULL DEFAULT 0",
        *_NEW_IN_3,
    ),
}
"""Version -> the statements that lead to the next one."""


def creation(project: str, lineage: str, signing_key: str) -> tuple[Statement, ...]:
    """The statements that create an empty state of the current version."""
    meta = (SCHEMA_VERSION, project, lineage, 0, 0, signing_key, "", 1, "")
    return (*((sql, ()) for sql in SCHEMA), ("INSERT INTO meta VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", meta))


def upgrade(database: Database) -> None:
    """Upgrades an older state to the current version, in one transaction and after a backup."""
    with database.writing():
        ((version,),) = database.execute("SELECT schema_version FROM meta")
        if version < SCHEMA_VERSION:
            database.back_up(f"v{version}")
        for step in range(version, SCHEMA_VERSION):
            for sql in UPGRADES[step]:
                database.execute(sql)
        database.execute("UPDATE meta SET schema_version = ?", (SCHEMA_VERSION,))
