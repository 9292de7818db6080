"""Checking what a state contains: quickly for every command that reads it, and in full for `state check`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from reconciler.manifests.values import canonical_json
from reconciler.state.database import Database, Row
from reconciler.state.rows import (
    CHANGE_COLUMNS,
    INTENT_COLUMNS,
    PLACE_COLUMNS,
    RECORD_COLUMNS,
    RUN_COLUMNS,
    decode_change,
    decode_intents,
    decode_places,
    decode_records,
    decode_run,
    select,
)
from reconciler.state.upkeep import Damage


def refuse_damaged_values(database: Database) -> None:
    """Raises: ValueError, which names the row, when the values of a record are not JSON objects.

    The database looks for them: reading them here would make every plan slower.
    """
    conditions = [database.objects_only(column) for column in ("canonical", "computed")]
    sql = "SELECT address, canonical, computed FROM records"
    if None not in conditions:
        sql += f" WHERE NOT ({' AND '.join(map(str, conditions))})"
    for address, canonical, computed in database.execute(sql):
        for text in (canonical, computed):
            if not _is_object(text):
                raise ValueError(f"the record of '{address}': its values are not valid JSON")


def damages(database: Database) -> Iterator[Damage]:
    """Everything that is wrong, in the order of tables and addresses. Decodes every row."""
    for sentence in database.integrity():
        yield Damage("the database", sentence)
    yield from _meta(database)
    yield from _records(sorted(database.execute(select("records", RECORD_COLUMNS)), key=lambda row: str(row[0])))
    for table, columns, what, decode in (
        ("intents", INTENT_COLUMNS, "the journal entry of", lambda row: decode_intents([row])),
        ("runs", RUN_COLUMNS, "the run", decode_run),
        ("places", PLACE_COLUMNS, "the place", lambda row: decode_places([row])),
        ("changes", CHANGE_COLUMNS, "the history of", decode_change),
    ):
        for row in sorted(database.execute(select(table, columns)), key=lambda row: str(row[0])):
            try:
                decode(row)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                yield Damage(f"{what} '{row[0]}'", _problem(error), table=table, key=row[0])


def _meta(database: Database) -> Iterator[Damage]:
    for lineage, signing_key, seal_key in database.execute("SELECT lineage, signing_key, seal_key FROM meta"):
        if not lineage:
            yield Damage("the state itself", "its lineage is missing")
        for name, text in (("signing key", signing_key), ("key of owner marks", seal_key)):
            if text and not _is_key(text):
                yield Damage("the state itself", f"its {name} is damaged")


def _records(rows: Iterable[Row]) -> Iterator[Damage]:
    rows = list(rows)
    known = {row[0] for row in rows}
    for row in rows:
        values = dict(zip(RECORD_COLUMNS, row, strict=True))
        name = f"the record of '{values['address']}'"
        try:
            ((address, record),) = decode_records([row]).items()
        except ValueError as error:
            yield Damage(name, str(error).partition("': ")[2] or str(error), table="records", key=row[0])
            continue
        for column in ("canonical", "computed"):
            if not _is_object(values[column]):
                yield Damage(name, f"{column} is not valid JSON", table="records", key=row[0])
            elif canonical_json(json.loads(values[column])) != values[column]:
                yield Damage(name, f"{column} is not as the program writes it", unreadable=False)
        if str(address) != values["address"]:
            yield Damage(name, "its address is not as the program writes it", unreadable=False)
        for needed in record.dependencies:
            if str(needed) not in known:
                yield Damage(name, f"it depends on {needed}, which is not recorded", unreadable=False)


def drop(database: Database, found: Iterable[Damage]) -> None:
    """Removes the rows that cannot be used."""
    keys = {"records": "address", "intents": "address", "runs": "id", "places": "place", "changes": "address"}
    for damage in found:
        if damage.unreadable and damage.table:
            sql = f"DELETE FROM {damage.table} WHERE {keys[damage.table]} = ?"  # noqa: S608 - names from this file
            database.execute(sql, (damage.key,))


def _is_object(text: object) -> bool:
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _is_key(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == 32
    except ValueError:
        return False


def _problem(error: Exception) -> str:
    return str(error).partition("': ")[2] or f"{type(error).__name__}: {error}"
