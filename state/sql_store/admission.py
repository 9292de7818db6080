"""`Admission`: a state is opened, checked and upgraded before anything reads or writes its rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.state import lease as leases
from reconciler.state import migrations
from reconciler.state.database import Database
from reconciler.state.errors import ForeignState, StaleWrite, StateMoved, StateTooNew, StateUnreadable
from reconciler.state.store import Lease


class Admission:
    """What every method of a store begins with. Admits one thread at a time, so that another one can renew a lease
    between the engine's calls."""

    def __init__(self, database: Database, project: str, clock: Callable[[], float] | None = None) -> None:
        self._database = database
        self._project = project
        self._clock = clock or database.now
        self._turn = threading.RLock()
        self._opened = False
        self._given: set[int] = set()

    @property
    def place(self) -> str:
        return self._database.place

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
            raise StateUnreadable(f"{self._database.place} contains invalid data: {error}", _CHECK) from error

    def _refuse_moved(self) -> None:
        ((moved_to,),) = self._database.execute("SELECT moved_to FROM meta")
        refuse_moved(self._database.place, moved_to)

    @contextmanager
    def _writing(self, lease: Lease) -> Iterator[None]:
        """A transaction that excludes other writers, under a lease that is still held. Raises: StaleWrite."""
        with self._turn:
            self._refuse_vanished()
            with self._database.writing(), self._valid_data():
                leases.require(self._database, lease)
                yield

    def close(self) -> None:
        with self._turn:
            self._opened = False
            self._database.close()


_RESTORE = "Restore it from a backup."
_CHECK = "See what is damaged, and what to do about it: reconciler state check"
_UNDO = "reconciler state undo"


def refuse_moved(place: str, moved_to: str) -> None:
    """Raises: StateMoved when `moved_to` says that another store holds the state."""
    if moved_to:
        raise StateMoved(
            f"{place} was migrated to {moved_to}, and is no longer used",
            f"Name that store in reconciler.yaml (`state:`). To go back to this one, take the migration back there: "
            f"{_UNDO}",
        )
