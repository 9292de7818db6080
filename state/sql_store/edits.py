"""Edits that can be taken back: what the latest one replaced is kept, until something else is written.

An edit is a write that a person made by a command and not an apply. It is recorded like a run, and the rows that it
replaced are kept with the serial it led to: as long as that is the state's serial, nothing was written since.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from reconciler.state.database import Database, Row
from reconciler.state.errors import StateError
from reconciler.state.records import Run
from reconciler.state.rows import INTENT_COLUMNS, RECORD_COLUMNS, RUN_COLUMNS, decode_run, select, upsert
from reconciler.state.upkeep import LastEdit

_TABLES: Mapping[str, tuple[str, ...]] = {"records": RECORD_COLUMNS, "intents": INTENT_COLUMNS}
_IDENTITY = "SELECT lineage, seal_key, sealed FROM meta"
_RUN = select("runs", RUN_COLUMNS) + " WHERE id = ?"


@contextmanager
def recorded(database: Database, run: Run) -> Iterator[None]:
    """Keeps what the `with` block changes, so that `take_back` can restore it."""
    before = _snapshot(database)
    yield
    after = _snapshot(database)
    content: dict[str, Any] = {"identity": before["identity"], "rows": {}, "added": {}}
    for table in _TABLES:
        old, new = before[table], after[table]
        content["rows"][table] = [row for key, row in old.items() if new.get(key) != row]
        content["added"][table] = sorted(new.keys() - old.keys())
    keep(database, run, content)


def keep(database: Database, run: Run, content: Mapping[str, Any]) -> None:
    """Makes `run` the edit that can be taken back. The write that it is part of increases the serial after this."""
    database.execute("DELETE FROM undo")
    database.execute(
        "INSERT INTO undo (run, serial, content) SELECT ?, serial + 1, ? FROM meta",
        (run.id, json.dumps(content, ensure_ascii=False)),
    )


def migration(source: str) -> Mapping[str, Any]:
    """What is kept of an edit that filled this state from another one."""
    return {"identity": None, "rows": {}, "added": {}, "source": source}


def last_edit(database: Database) -> LastEdit | None:
    """The latest edit, None when there was none. Raises: ValueError when its row is invalid."""
    for name, serial, text in database.execute("SELECT run, serial, content FROM undo"):
        content = json.loads(text)
        runs = [decode_run(row) for row in database.execute(_RUN, (name,))]
        ((now,),) = database.execute("SELECT serial FROM meta")
        if runs:
            return LastEdit(runs[0], _galleries(content), content.get("source", ""), untouched=serial == now)
    return None


def take_back(database: Database, run: str) -> None:
    """Restores what the edit `run` replaced. Raises: StateError when something was written since."""
    rows = list(
        database.execute("SELECT u.content FROM undo u, meta WHERE u.run = ? AND u.serial = meta.serial", (run,))
    )
    if not rows:
        raise StateError(
            "nothing was taken back: the state has been written to since", "Make the opposite edit by hand."
        )
    content = json.loads(rows[0][0])
    for table, columns in _TABLES.items():
        added = [(key,) for key in content["added"].get(table, ())]
        database.execute_many(f"DELETE FROM {table} WHERE address = ?", added)  # noqa: S608 - names from this file
        database.execute_many(upsert(table, columns), [tuple(row) for row in content["rows"].get(table, ())])
    if content["identity"]:
        database.execute("UPDATE meta SET lineage = ?, seal_key = ?, sealed = ?", content["identity"])
    database.execute("DELETE FROM undo")


def _snapshot(database: Database) -> dict[str, Any]:
    """The raw rows of what edits change, by primary key: also rows that cannot be decoded can be restored."""
    found: dict[str, Any] = {"identity": list(next(iter(database.execute(_IDENTITY))))}
    for table, columns in _TABLES.items():
        rows: list[Row] = list(database.execute(select(table, columns)))
        found[table] = {row[0]: list(row) for row in rows}
    return found


def _galleries(content: Mapping[str, Any]) -> frozenset[str]:
    keys = [row[0] for rows in content["rows"].values() for row in rows]
    keys += [key for added in content["added"].values() for key in added]
    return frozenset(str(key).partition("/")[0] for key in keys)
