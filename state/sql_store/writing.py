"""Writing: a `StateWrite` as statements. Everything here runs within the transaction of one write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.state.database import Database
from reconciler.state.records import Run
from reconciler.state.rows import (
    CHANGE_COLUMNS,
    INTENT_COLUMNS,
    PLACE_COLUMNS,
    RECORD_COLUMNS,
    RUN_COLUMNS,
    encode_change,
    encode_intent,
    encode_place,
    encode_record,
    encode_run,
    select,
    upsert,
)
from reconciler.state.store import StateWrite

if TYPE_CHECKING:
    from reconciler.state.upkeep import Change, Identity

SELECT_RECORDS = select("records", RECORD_COLUMNS)
ORDERED_RUNS = "ORDER BY fence DESC, started DESC, id DESC LIMIT ?"
"""The newest first: a fence only grows, while clocks may be wrong."""

_PUT_RECORD = upsert("records", RECORD_COLUMNS)
_PUT_INTENT = upsert("intents", INTENT_COLUMNS)
_PUT_RUN = upsert("runs", (*RUN_COLUMNS, "fence"))
_PUT_PLACE = upsert("places", PLACE_COLUMNS)
_PUT_CHANGE = upsert("changes", CHANGE_COLUMNS, key=("address", "run"))


def put(database: Database, change: StateWrite, fence: int, now: float) -> None:
    """Writes everything that `change` puts, forgets and clears; `fence` is that of the lease."""
    _forget(database, change.forget)
    for sql, rows in (
        (_PUT_RECORD, [encode_record(record) for record in change.put_records]),
        ("DELETE FROM intents WHERE address = ?", [(str(address),) for address in change.clear_intents]),
        (_PUT_INTENT, [encode_intent(intent) for intent in change.put_intents]),
        (_PUT_PLACE, [encode_place(place) for place in change.put_places]),
        (_PUT_CHANGE, [encode_change(each) for each in _stamped(change.put_changes, now)]),
    ):
        database.execute_many(sql, rows)
    put_runs(database, change.put_runs, fence)
    if change.identity:
        put_identity(database, change.identity)
    if change.sealed:
        database.execute("UPDATE meta SET sealed = 1")
    if change.keep_runs:
        _prune(database, change.keep_runs)


def put_runs(database: Database, runs: Iterable[Run], fence: int) -> None:
    database.execute_many(_PUT_RUN, [(*encode_run(run), fence) for run in runs])


def next_serial(database: Database) -> int:
    """The serial of the write that is being made."""
    database.execute("UPDATE meta SET serial = serial + 1")
    ((serial,),) = database.execute("SELECT serial FROM meta")
    return int(serial)


def put_identity(database: Database, identity: Identity) -> None:
    """Makes the state the one that made the marks of this lineage."""
    values = (identity.lineage, identity.key.hex(), int(identity.sealed))
    database.execute("UPDATE meta SET lineage = ?, seal_key = ?, sealed = ?", values)


def _stamped(changes: Iterable[Change], now: float) -> Iterator[Change]:
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    return (change if change.at else replace(change, at=at) for change in changes)


def _prune(database: Database, keep: int) -> None:
    """Drops all but the newest runs, and the changes of those that are gone."""
    newest = f"SELECT id FROM runs {ORDERED_RUNS}"  # noqa: S608 - a constant
    database.execute(f"DELETE FROM runs WHERE id NOT IN ({newest})", (keep,))  # noqa: S608 - a constant
    database.execute("DELETE FROM changes WHERE run NOT IN (SELECT id FROM runs)")


def _forget(database: Database, addresses: Iterable[Address]) -> None:
    database.execute_many("DELETE FROM records WHERE address = ?", [(str(address),) for address in addresses])
