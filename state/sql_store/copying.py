"""Copying a whole state from one store to another: to migrate it, and to back it up."""

from __future__ import annotations

from reconciler.state.database import Database
from reconciler.state.errors import StateError
from reconciler.state.migrations import SCHEMA_VERSION
from reconciler.state.rows import (
    CHANGE_COLUMNS,
    INTENT_COLUMNS,
    PLACE_COLUMNS,
    RECORD_COLUMNS,
    RUN_COLUMNS,
    select,
)
from reconciler.state.upkeep import StateCopy

_META = ("lineage", "serial", "fence", "signing_key", "seal_key", "sealed")
_TABLES = {
    "records": RECORD_COLUMNS,
    "intents": INTENT_COLUMNS,
    "places": PLACE_COLUMNS,
    "runs": (*RUN_COLUMNS, "fence"),
    "changes": CHANGE_COLUMNS,
}


def take_copy(database: Database) -> StateCopy:
    """Everything but the leases, which belong to runs on the store they were taken on."""
    (meta,) = database.execute(select("meta", _META))
    tables = {table: tuple(database.execute(select(table, columns))) for table, columns in _TABLES.items()}
    return StateCopy(tuple(meta), tables)


def put_copy(database: Database, copy: StateCopy, place: str) -> None:
    """Fills an empty state with a copy. Raises: StateError when it is not empty."""
    refuse_filled(database, place)
    assignments = ", ".join(f"{column} = ?" for column in _META)
    database.execute(f"UPDATE meta SET {assignments}, schema_version = ?", (*copy.meta, SCHEMA_VERSION))  # noqa: S608
    for table, columns in _TABLES.items():
        marks = ", ".join("?" for _ in columns)
        names = ", ".join(columns)
        database.execute_many(f"INSERT INTO {table} ({names}) VALUES ({marks})", copy.tables[table])  # noqa: S608


def refuse_filled(database: Database, place: str) -> None:
    """Raises: StateError when something was ever recorded."""
    for table in ("records", "intents", "runs"):
        ((count,),) = database.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - names from this file
        if count:
            raise StateError(
                f"{place} is not empty: it contains {count} {table}",
                "Name an empty database, a schema of its own in it (`?schema=NAME`), or a file that does not exist.",
            )
