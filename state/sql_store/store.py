"""`SqlStore`: the state in a SQL database, in terms that every dialect understands."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType

from reconciler.manifests.address import Address
from reconciler.state import lease as leases
from reconciler.state import migrations
from reconciler.state.database import Database
from reconciler.state.errors import ForeignState, StaleWrite, StateTooNew, StateUnreadable
from reconciler.state.records import INTERRUPTED, RUNNING, Run, State
from reconciler.state.rows import (
    INTENT_COLUMNS,
    PLACE_COLUMNS,
    RECORD_COLUMNS,
    RUN_COLUMNS,
    decode_fingerprints,
    decode_intents,
    decode_places,
    decode_records,
    decode_run,
    encode_intent,
    encode_place,
    encode_record,
    encode_run,
    select,
    upsert,
)
from reconciler.state.store import Lease, LeaseHolder, StateWrite

_SELECT_RECORDS = select("records", RECORD_COLUMNS)
_SELECT_INTENTS = select("intents", INTENT_COLUMNS)
_SELECT_RUNS = select("runs", (*RUN_COLUMNS, "fence")) + " ORDER BY started DESC, id DESC LIMIT ?"
_PUT_RECORD = upsert("records", RECORD_COLUMNS)
_PUT_INTENT = upsert("intents", INTENT_COLUMNS)
_PUT_RUN = upsert("runs", (*RUN_COLUMNS, "fence"))
_SELECT_PLACES = select("places", PLACE_COLUMNS)
_PUT_PLACE = upsert("places", PLACE_COLUMNS)


class SqlStore:
    """A `StateStore`. Admits one thread at a time, so that another one can renew a lease between the engine's calls."""

    def __init__(self, database: Database, project: str, clock: Callable[[], float] | None = None) -> None:
        self._database = database
        self._project = project
        self._clock = clock or database.now
        self._turn = threading.RLock()
        self._opened = False
        self._given: set[int] = set()

    def open(self) -> bool:
        """Connects to the state if it exists, and returns whether it does. Raises: StateError."""
        with self._turn:
            if self._opened:
                return True
            try:
                if self._database.open():
                    self._admit()
                    self._opened = True
            except BaseException:
                self._database.close()
                raise
            return self._opened

    def _admit(self) -> None:
        """Accepts a state of this project, and upgrades it if it is older. Raises: StateError."""
        with self._reading():
            rows = list(self._database.execute("SELECT schema_version, project FROM meta"))
        if len(rows) != 1:
            raise StateUnreadable(f"{self._database.place} is damaged: its table `meta` must have one row", _RESTORE)
        version, project = rows[0]
        if version > migrations.SCHEMA_VERSION:
            raise StateTooNew(
                f"{self._database.place} has schema version {version}, and this program supports versions up to "
                f"{migrations.SCHEMA_VERSION}",
                "Use the newer release of reconciler that wrote it.",
            )
        if project != self._project:
            raise ForeignState(
                f"{self._database.place} belongs to project '{project}', not to '{self._project}'",
                "Give this project a state of its own (`state:` in reconciler.yaml), or correct the project's name.",
            )
        if version < migrations.SCHEMA_VERSION:
            migrations.upgrade(self._database)

    def _create(self) -> None:
        import os
        import uuid

        if not self.open():
            self._database.create(migrations.creation(self._project, str(uuid.uuid4()), os.urandom(32).hex()))
            if not self.open():
                raise StateUnreadable(f"{self._database.place} disappeared right after it was created", "Try again.")

    def _refuse_vanished(self) -> None:
        if not self.open():
            raise StaleWrite(f"{self._database.place} does not exist, so nothing was written", _RESTORE)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._database.reading(), self._valid_data():
            yield

    @contextmanager
    def _valid_data(self) -> Iterator[None]:
        try:
            yield
        except (KeyError, ValueError) as error:
            raise StateUnreadable(f"{self._database.place} contains invalid data: {error}", _RESTORE) from error

    def summary(self) -> State:
        with self._turn:
            if not self.open():
                return State("", 0, self._project)
            with self._reading():
                return self._summary()

    def _summary(self) -> State:
        ((lineage, serial, project, signing_key, seal_key, sealed),) = self._database.execute(
            "SELECT lineage, serial, project, signing_key, seal_key, sealed FROM meta"
        )
        key = bytes.fromhex(seal_key) if seal_key else derived_seal_key(bytes.fromhex(signing_key))
        return State(lineage, serial, project, key=key, sealed=bool(sealed))

    def read(self) -> State:
        with self._turn:
            if not self.open():
                return State("", 0, self._project)
            with self._reading():
                summary = self._summary()
                records = decode_records(self._database.execute(_SELECT_RECORDS))
                intents = decode_intents(self._database.execute(_SELECT_INTENTS))
                places = decode_places(self._database.execute(_SELECT_PLACES))
        return replace(
            summary,
            records=MappingProxyType(records),
            intents=MappingProxyType(intents),
            places=MappingProxyType(places),
        )

    def fingerprints(self) -> Mapping[Address, tuple[str, str]]:
        with self._turn:
            if not self.open():
                return {}
            with self._reading():
                return decode_fingerprints(self._database.execute("SELECT address, provider, fingerprint FROM records"))

    def runs(self, limit: int = 20) -> tuple[Run, ...]:
        with self._turn:
            if not self.open():
                return ()
            with self._reading():
                held = {holder.fence for holder in leases.holders(self._database, self._clock())}
                rows = self._database.execute(_SELECT_RUNS, (limit,))
                return tuple(_ended(decode_run(tuple(row)), held=fence in held) for *row, fence in rows)

    def holders(self) -> tuple[LeaseHolder, ...]:
        with self._turn:
            if not self.open():
                return ()
            with self._reading():
                holders = leases.holders(self._database, self._clock())
                return tuple(holder for holder in holders if holder.fence not in self._given)

    def signing_key(self) -> bytes:
        with self._turn:
            self._create()
            with self._reading():
                ((key,),) = self._database.execute("SELECT signing_key FROM meta")
                return bytes.fromhex(key)

    def acquire(self, galleries: Iterable[str], holder: str, ttl_s: float = 60.0, above: int = 0) -> Lease:
        with self._turn:
            self._create()
            with self._database.writing():
                lease = leases.take(self._database, galleries, holder, ttl_s, self._clock(), above)
            self._given.add(lease.fence)
            return lease

    def renew(self, lease: Lease) -> None:
        with self._turn:
            self._refuse_vanished()
            with self._database.writing():
                leases.put_off(self._database, lease, self._clock())

    def release(self, lease: Lease) -> None:
        with self._turn:
            if self.open():
                with self._database.writing():
                    leases.give_back(self._database, lease)

    def write(self, lease: Lease, change: StateWrite) -> int:
        leases.require_covered(lease, _written(change))
        with self._turn:
            self._refuse_vanished()
            with self._database.writing(), self._valid_data():
                leases.require(self._database, lease)
                self._put(change, lease.fence)
                return self._next_serial()

    def _put(self, change: StateWrite, fence: int) -> None:
        self._forget(change.forget)
        for sql, rows in (
            (_PUT_RECORD, [encode_record(record) for record in change.put_records]),
            ("DELETE FROM intents WHERE address = ?", [(str(address),) for address in change.clear_intents]),
            (_PUT_INTENT, [encode_intent(intent) for intent in change.put_intents]),
            (_PUT_RUN, [(*encode_run(run), fence) for run in change.put_runs]),
            (_PUT_PLACE, [encode_place(place) for place in change.put_places]),
        ):
            self._database.execute_many(sql, rows)
        if change.sealed:
            self._database.execute("UPDATE meta SET sealed = 1")

    def _next_serial(self) -> int:
        self._database.execute("UPDATE meta SET serial = serial + 1")
        ((serial,),) = self._database.execute("SELECT serial FROM meta")
        return int(serial)

    def _forget(self, addresses: Iterable[Address]) -> None:
        rows = [(str(address),) for address in addresses]
        self._database.execute_many("DELETE FROM records WHERE address = ?", rows)

    def close(self) -> None:
        with self._turn:
            self._opened = False
            self._database.close()


_RESTORE = "Restore it from a backup."


def _ended(run: Run, *, held: bool) -> Run:
    """The run as it is known now: one without a lease cannot be running."""
    return run if held or run.outcome != RUNNING else replace(run, outcome=INTERRUPTED)


def derived_seal_key(signing_key: bytes) -> bytes:
    """The key that owner marks are sealed with, where the state was given none."""
    return hmac.new(signing_key, b"owner marks", hashlib.sha256).digest()


def _written(change: StateWrite) -> Iterator[Address]:
    """Every address that `change` writes to."""
    yield from (record.address for record in change.put_records)
    yield from (intent.address for intent in change.put_intents)
    yield from change.forget
    yield from change.clear_intents
