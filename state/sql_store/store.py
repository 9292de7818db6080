"""`SqlStore`: the state in a SQL database, in terms that every dialect understands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.state import lease as leases
from reconciler.state.errors import StateError
from reconciler.state.records import INTERRUPTED, RUNNING, Run, State
from reconciler.state.rows import (
    CHANGE_COLUMNS,
    INTENT_COLUMNS,
    PLACE_COLUMNS,
    RUN_COLUMNS,
    decode_change,
    decode_fingerprints,
    decode_intents,
    decode_places,
    decode_records,
    decode_run,
    select,
)
from reconciler.state.sql_store import writing
from reconciler.state.sql_store.admission import Admission, refuse_moved
from reconciler.state.store import Lease, LeaseInfo, StateWrite

if TYPE_CHECKING:
    from reconciler.state.upkeep import Change, Damage, LastEdit, StateCopy

_SELECT_INTENTS = select("intents", INTENT_COLUMNS)
_SELECT_RUNS = f"{select('runs', (*RUN_COLUMNS, 'fence'))} {writing.ORDERED_RUNS}"
_SELECT_PLACES = select("places", PLACE_COLUMNS)
_SELECT_CHANGES = f"{select('changes', CHANGE_COLUMNS)} LEFT JOIN runs ON runs.id = run"
_GALLERY = "SELECT address FROM records UNION SELECT address FROM intents UNION SELECT gallery FROM leases"


class SqlStore(Admission):
    """A `StateStore`. Admits one thread at a time, so that another one can renew a lease between the engine's calls."""

    def summary(self) -> State:
        with self._turn:
            if not self.open():
                return State("", 0, self._project)
            with self._reading():
                return self._summary()

    def _summary(self) -> State:
        ((lineage, serial, project, sealed, moved_to),) = self._database.execute(
            "SELECT lineage, serial, project, sealed, moved_to FROM meta"
        )
        refuse_moved(self._database.place, moved_to)
        return State(lineage, serial, project, sealed=bool(sealed))

    def _key(self) -> bytes:
        ((signing_key, seal_key),) = self._database.execute("SELECT signing_key, seal_key FROM meta")
        return bytes.fromhex(seal_key) if seal_key else derived_seal_key(bytes.fromhex(signing_key))

    def read(self) -> State:
        from reconciler.state.sql_store import checking

        with self._turn:
            if not self.open():
                return State("", 0, self._project)
            with self._reading():
                summary = replace(self._summary(), key=self._key())
                records = decode_records(self._database.execute(writing.SELECT_RECORDS))
                checking.refuse_damaged_values(self._database)
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
                if not self._database.stamp():
                    from reconciler.state.sql_store import checking

                    checking.refuse_damaged_values(self._database)
                return decode_fingerprints(self._database.execute("SELECT address, provider, fingerprint FROM records"))

    def stamp(self) -> str:
        with self._turn:
            return self._database.stamp()

    def runs(self, limit: int = 20) -> tuple[Run, ...]:
        with self._turn:
            if not self.open():
                return ()
            with self._reading():
                held = {info.fence for info in leases.held_leases(self._database, self._clock()) if info.in_use}
                rows = self._database.execute(_SELECT_RUNS, (limit,))
                return tuple(_ended(decode_run(tuple(row)), held=fence in held) for *row, fence in rows)

    def holders(self) -> tuple[LeaseInfo, ...]:
        return tuple(info for info in self.leases() if info.in_use and info.fence not in self._given)

    def changes(self, address: Address | None = None, limit: int = 100) -> tuple[Change, ...]:
        with self._turn:
            if not self.open():
                return ()
            order = "ORDER BY COALESCE(fence, 0) DESC, at DESC, address LIMIT ?"
            where, values = _inside(address)
            with self._reading():
                rows = self._database.execute(f"{_SELECT_CHANGES} {where} {order}", (*values, limit))
                return tuple(decode_change(row) for row in rows)

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
                self._refuse_moved()
                lease = leases.take(self._database, galleries, holder, ttl_s, self._clock(), above)
            self._given.add(lease.fence)
            return lease

    def acquire_all(self, holder: str, ttl_s: float = 60.0) -> Lease:
        with self._turn:
            self._create()
            with self._database.writing():
                self._refuse_moved()
                galleries = {str(text).partition("/")[0] for (text,) in self._database.execute(_GALLERY)}
                lease = leases.take(self._database, galleries, holder, ttl_s, self._clock())
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

    def leases(self) -> tuple[LeaseInfo, ...]:
        with self._turn:
            if not self.open():
                return ()
            with self._reading():
                return leases.held_leases(self._database, self._clock())

    def break_lease(self, gallery: str) -> tuple[str, ...]:
        with self._turn:
            self._refuse_vanished()
            with self._database.writing():
                return leases.break_off(self._database, gallery)

    def write(self, lease: Lease, change: StateWrite) -> int:
        from reconciler.state.sql_store import edits

        leases.require_covered(lease, _written(change))
        with self._writing(lease):
            with edits.recorded(self._database, change.edit) if change.edit else nullcontext():
                writing.put(self._database, change, lease.fence, self._clock())
            if change.edit:
                writing.put_runs(self._database, (change.edit,), lease.fence)
            return writing.next_serial(self._database)

    def last_edit(self) -> LastEdit | None:
        from reconciler.state.sql_store import edits

        with self._turn:
            if not self.open():
                return None
            with self._reading():
                return edits.last_edit(self._database)

    def take_back(self, lease: Lease, run: Run, edit: str) -> int:
        from reconciler.state.sql_store import edits

        with self._writing(lease):
            edits.take_back(self._database, edit)
            writing.put_runs(self._database, (run,), lease.fence)
            return writing.next_serial(self._database)

    def check(self) -> tuple[Damage, ...]:
        from reconciler.state.sql_store import checking

        with self._turn:
            if not self.open():
                return ()
            with self._reading():
                self._refuse_moved()
                return tuple(checking.damages(self._database))

    def drop_damaged(self, lease: Lease, run: Run) -> tuple[Damage, ...]:
        from reconciler.state.sql_store import checking, edits

        with self._writing(lease):
            found = tuple(damage for damage in checking.damages(self._database) if damage.unreadable and damage.table)
            with edits.recorded(self._database, run):
                checking.drop(self._database, found)
            writing.put_runs(self._database, (run,), lease.fence)
            writing.next_serial(self._database)
            return found

    def copy(self) -> StateCopy:
        from reconciler.state.sql_store import copying

        with self._turn:
            self._refuse_vanished()
            with self._reading():
                return copying.take_copy(self._database)

    def fill(self, copy: StateCopy, edit: Run | None = None, source: str = "") -> None:
        from reconciler.state.sql_store import copying, edits

        with self._turn:
            self._create()
            with self._database.writing():
                copying.put_copy(self._database, copy, self._database.place)
                if edit:
                    edits.keep(self._database, edit, edits.migration(source))
                    ((fence,),) = self._database.execute("SELECT fence FROM meta")
                    writing.put_runs(self._database, (edit,), fence)
                    writing.next_serial(self._database)

    def retire(self, lease: Lease, serial: int, moved_to: str) -> None:
        with self._writing(lease):
            ((now,),) = self._database.execute("SELECT serial FROM meta")
            if now != serial:
                raise StateError(f"{self._database.place} was written to in the meantime", "Run the command again.")
            self._database.execute("UPDATE meta SET moved_to = ?", (moved_to,))

    def reinstate(self) -> None:
        with self._turn:
            self._refuse_vanished()
            with self._database.writing():
                self._database.execute("UPDATE meta SET moved_to = ''")

    def drop(self) -> None:
        with self._turn:
            if self.open():
                self._database.drop()
                self.close()


def _ended(run: Run, *, held: bool) -> Run:
    """The run as it is known now: one without a lease cannot be running."""
    return run if held or run.outcome != RUNNING else replace(run, outcome=INTERRUPTED)


def derived_seal_key(signing_key: bytes) -> bytes:
    """The key that owner marks are sealed with, where the state was given none."""
    import hashlib
    import hmac

    return hmac.new(signing_key, b"owner marks", hashlib.sha256).digest()


def _inside(address: Address | None) -> tuple[str, tuple[str | int, ...]]:
    """A condition that holds for an address and everything inside it, and its values."""
    if address is None:
        return "", ()
    text = str(address)
    length = len(text) + 1
    where = "WHERE address = ? OR substr(address, 1, ?) IN (?, ?)"
    return where, (text, length, f"{text}/", f"{text}@")


def _written(change: StateWrite) -> Iterator[Address]:
    """Every address that `change` writes to."""
    yield from (record.address for record in change.put_records)
    yield from (intent.address for intent in change.put_intents)
    yield from change.forget
    yield from change.clear_intents
    yield from (each.address for each in change.put_changes)
