"""Records, intents and runs as rows of the database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.manifests.garbage_collection import collection_paused
from reconciler.manifests.values import canonical_json
from reconciler.state.database import Row
from reconciler.state.records import Intent, Place, Record, Run, Status

if TYPE_CHECKING:
    from reconciler.state.upkeep import Change

_new_tuple = tuple.__new__  # a named tuple's own constructor takes twice as long

RECORD_COLUMNS = (
    *("address", "dependencies", "status", "protect", "retain", "named"),
    *("provider", "object_id", "canonical", "digest", "fingerprint", "computed"),
)
INTENT_COLUMNS = ("address", "unit", "provider", "verb", "canonical", "digest", "run", "started", "handle", "named")
RUN_COLUMNS = (
    "id",
    "command",
    "holder",
    "started",
    "finished",
    "outcome",
    "git_commit",
    "plan_digest",
    "counts",
)
CHANGE_COLUMNS = ("address", "action", "run", "at")
PLACE_COLUMNS = ("place", "provider", "region", "identity")


def select(table: str, columns: Sequence[str]) -> str:
    """A statement that reads all rows, columns in the given order."""
    return f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - names from this file


def upsert(table: str, columns: Sequence[str], key: Sequence[str] = ()) -> str:
    """A statement that writes one row by its primary key, whether it exists or not: `key`, else the first column."""
    key = key or columns[:1]
    marks = ", ".join("?" for _ in columns)
    updates = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in key)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) "  # noqa: S608 - names from this file
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}"
    )


def decode_address(text: str) -> Address:
    """`Address.parse` for a string that was written as an address: three times as fast, and less strict.

    Raises: ValueError when there are too many parts, or a region without a version.
    """
    path, _, region = text.partition("@")
    parts = path.split("/")
    if len(parts) != 3:
        return Address.parse(text)
    parts.append(region)
    return _new_tuple(Address, parts)


def encode_dependencies(addresses: Iterable[Address]) -> str:
    """One address per line: names contain no line breaks."""
    return "\n".join(map(str, addresses))


def decode_dependencies(text: str) -> tuple[Address, ...]:
    """Raises: ValueError as `decode_address` does."""
    return tuple(map(decode_address, text.split("\n"))) if text else ()


def encode_record(record: Record) -> Row:
    return (
        str(record.address),
        encode_dependencies(record.dependencies),
        record.status.value,
        int(record.protect),
        int(record.retain),
        "" if record.named is None else str(record.named),
        record.provider,
        record.object_id,
        record.canonical,
        record.digest,
        record.fingerprint,
        record.computed,
    )


def decode_records(rows: Iterable[Row]) -> dict[Address, Record]:
    """Records by address. Raises: ValueError, which names the row, when one is invalid."""
    statuses = {status.value: status for status in Status}
    built_on: dict[str, tuple[Address, ...]] = {}  # by text, as all regions of a version depend on the same
    records = {}
    with collection_paused():
        for (
            text,
            dependency_text,
            status,
            protect,
            retain,
            named,
            provider,
            object_id,
            canonical,
            digest,
            fingerprint,
            computed,
        ) in rows:
            try:
                dependencies = built_on.get(dependency_text)
                if dependencies is None:
                    dependencies = built_on[dependency_text] = decode_dependencies(dependency_text)
                address = decode_address(text)
                records[address] = Record(
                    address,
                    provider,
                    object_id,
                    canonical,
                    digest,
                    fingerprint,
                    computed,
                    dependencies,
                    statuses[status],
                    protect != 0,
                    retain != 0,
                    decode_address(named) if named else None,
                )
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise ValueError(f"the record of '{text}': {_reason(error)}") from error
    return records


def _reason(error: Exception) -> str:
    return f"unknown value {error}" if isinstance(error, KeyError) else str(error)


def decode_fingerprints(rows: Iterable[Row]) -> dict[Address, tuple[str, str]]:
    """From rows of address, provider and fingerprint. Raises: ValueError when a row is invalid."""
    with collection_paused():
        return {decode_address(address): (provider, fingerprint) for address, provider, fingerprint in rows}


def encode_intent(intent: Intent) -> Row:
    return (
        str(intent.address),
        str(intent.unit),
        intent.provider,
        intent.verb,
        intent.canonical,
        intent.digest,
        intent.run,
        intent.started,
        intent.handle,
        "" if intent.named is None else str(intent.named),
    )


def decode_intents(rows: Iterable[Row]) -> dict[Address, Intent]:
    """Intents by address. Raises: ValueError, which names the row, when one is invalid."""
    intents = map(_decode_intent, rows)
    return {intent.address: intent for intent in intents}


def _decode_intent(row: Row) -> Intent:
    try:
        named = decode_address(row[-1]) if row[-1] else None
        intent = replace(Intent(decode_address(row[0]), decode_address(row[1]), *row[2:-1]), named=named)
        _ = {**json.loads(intent.canonical), **json.loads(intent.handle or "{}")}
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"the journal entry of '{row[0]}': {_reason(error)}") from error
    return intent


def encode_run(run: Run) -> Row:
    return (
        run.id,
        run.command,
        run.holder,
        run.started,
        run.finished,
        run.outcome,
        run.git_commit,
        run.plan_digest,
        canonical_json(run.counts),
    )


def decode_run(row: Row) -> Run:
    """Raises: ValueError when the row is invalid."""
    run_id, command, holder, started, finished, outcome, git_commit, plan_digest, counts = row
    return Run(run_id, command, holder, started, finished, outcome, git_commit, plan_digest, counts=json.loads(counts))


def encode_change(change: Change) -> Row:
    return (str(change.address), change.action, change.run, change.at)


def decode_change(row: Row) -> Change:
    """Raises: ValueError when the row is invalid."""
    address, action, run, at = row
    from reconciler.state.upkeep import Change  # hardly any command needs the history

    return Change(decode_address(address), action, run, at)


def encode_place(place: Place) -> Row:
    return (f"{place.provider} {place.region}", place.provider, place.region, place.identity)


def decode_places(rows: Iterable[Row]) -> dict[tuple[str, str], Place]:
    """Places by provider and region."""
    return {(provider, region): Place(provider, region, identity) for _, provider, region, identity in rows}
