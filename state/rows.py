"""How records, intents and runs stand in the database's rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from manifests.address import Address
from manifests.values import canonical_json
from state.database import Row
from state.records import Intent, Record, Run, Status

RECORD_COLUMNS = (
    "address",
    "provider",
    "object_id",
    "canonical",
    "digest",
    "fingerprint",
    "computed",
    "dependencies",
    "status",
    "protect",
    "retain",
)
INTENT_COLUMNS = ("address", "unit", "provider", "verb", "canonical", "digest", "run", "started", "handle")
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


def select(table: str, columns: Sequence[str]) -> str:
    """A statement that reads all rows, columns in the given order."""
    return f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - names from this file


def upsert(table: str, columns: Sequence[str]) -> str:
    """A statement that writes one row by its first column, the primary key, whether it exists or not."""
    marks = ", ".join("?" for _ in columns)
    updates = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) "  # noqa: S608 - names from this file
        f"ON CONFLICT ({columns[0]}) DO UPDATE SET {updates}"
    )


def decode_address(text: str) -> Address:
    """`Address.parse` of a text that was an address when it was written, three times as fast.

    Raises: ValueError when it is none after all.
    """
    path, _, region = text.partition("@")
    parts = path.split("/")
    if len(parts) == 3:
        return Address(parts[0], parts[1], parts[2], region)
    return Address.parse(text)


def encode_dependencies(addresses: Iterable[Address]) -> str:
    return canonical_json([str(address) for address in addresses])


def decode_dependencies(text: str) -> tuple[Address, ...]:
    return tuple(decode_address(address) for address in json.loads(text))


def encode_record(record: Record) -> Row:
    return (
        str(record.address),
        record.provider,
        record.object_id,
        record.canonical,
        record.digest,
        record.fingerprint,
        record.computed,
        encode_dependencies(record.dependencies),
        record.status.value,
        int(record.protect),
        int(record.retain),
    )


def decode_records(rows: Iterable[Row]) -> dict[Address, Record]:
    """Records by address. Raises: ValueError when a row makes no sense."""
    statuses = {status.value: status for status in Status}
    dependencies_of: dict[str, tuple[Address, ...]] = {}
    records = {}
    for (
        address_text,
        provider,
        object_id,
        canonical,
        digest,
        fingerprint,
        computed,
        needs,
        status,
        protect,
        retain,
    ) in rows:
        dependencies = dependencies_of.get(needs)
        if dependencies is None:
            dependencies = dependencies_of[needs] = decode_dependencies(needs)
        address = decode_address(address_text)
        records[address] = Record(
            address,
            provider,
            object_id,
            canonical,
            digest,
            fingerprint,
            computed,
            dependencies,
            statuses.get(status) or Status(status),
            protect != 0,
            retain != 0,
        )
    return records


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
    )


def decode_intents(rows: Iterable[Row]) -> dict[Address, Intent]:
    """Intents by address. Raises: ValueError when a row makes no sense."""
    intents = (Intent(decode_address(row[0]), decode_address(row[1]), *row[2:]) for row in rows)
    return {intent.address: intent for intent in intents}


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
    """Raises: ValueError when the row makes no sense."""
    run_id, command, holder, started, finished, outcome, git_commit, plan_digest, counts = row
    return Run(run_id, command, holder, started, finished, outcome, git_commit, plan_digest, counts=json.loads(counts))
