"""SQLite: one file, and beside it a log of what is not in it yet (`-wal`) and the index of that log (`-shm`)."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from reconciler.manifests.private_files import link_if_absent, own_folder, private_file_beside, sync_folder
from reconciler.state.database import Row, Statement
from reconciler.state.errors import StateError, StateUnreadable

_BUSY_TIMEOUT_S = 30.0
_APPLICATION_ID = 0x5265636F  # "Reco", in the file's header


class SqliteDatabase:
    """A state file. The file system is asked whether it exists: SQLite would silently create an empty one.

    Opening for writing merges what a killed process left into the file. So it is opened for reading as long as there is
    any of that, and for writing only when something is to be written: a file that is refused keeps every byte.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """`read_only`: nothing is created or changed in the file's folder, and what is only in the log is not read."""
        self._path = path.absolute()
        self._read_only = read_only
        self._connection: sqlite3.Connection | None = None
        self._mode = ""
        self._identity = ""

    @property
    def place(self) -> str:
        return f"state file {self._path}"

    def open(self) -> bool:
        if not self._exists():
            return False
        with self._state_errors():
            self._connect(self._mode_for_reading())
            self._refuse_strangers()
        return True

    def _exists(self) -> bool:
        try:
            mode = self._path.stat().st_mode
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StateUnreadable(f"{self.place} cannot be inspected: {error.strerror}", _RIGHTS) from error
        if not stat.S_ISREG(mode):
            raise StateUnreadable(
                f"{self.place} is not a file" if not stat.S_ISDIR(mode) else f"{self.place} is a folder",
                "Correct `state:` in reconciler.yaml: it names a file.",
            )
        if not os.access(self._path, os.R_OK):
            raise StateUnreadable(f"{self.place} may not be read by this user", _RIGHTS)
        return True

    def _mode_for_reading(self) -> str:
        if self._read_only:
            return "ro&immutable=1"
        if not os.access(self._path.parent, os.W_OK) and not self._beside("-wal").exists():
            return "ro&immutable=1"  # SQLite would create a log, and must not
        leftovers = any(_size(self._beside(suffix)) for suffix in ("-wal", "-journal"))
        return "ro" if leftovers or not self._may_write() else "rw"

    def _may_write(self) -> bool:
        return not self._read_only and os.access(self._path, os.W_OK) and os.access(self._path.parent, os.W_OK)

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)

    def _connect(self, mode: str) -> None:
        self.close()
        self._connection = _connection(f"{self._path.as_uri()}?mode={mode}")
        self._mode = mode
        self._identity = _identity(self._path)

    def _refuse_strangers(self) -> None:
        if not _size(self._path) and not _size(self._beside("-wal")):
            raise StateUnreadable(
                f"{self.place} is empty: 0 bytes, as a full disk or a broken copy leaves it",
                "Restore it from a backup, or remove it and record what exists again: reconciler state rebuild",
            )
        ((application,),) = self.execute("PRAGMA application_id")
        if application != _APPLICATION_ID:
            raise StateUnreadable(
                f"{self.place} is the database of another program",
                "Correct `state:` in reconciler.yaml, or move that file away.",
            )

    def create(self, statements: Iterable[Statement]) -> None:
        with self._state_errors():
            try:
                self._make_folder()
                with private_file_beside(self._path) as aside:
                    _fill(aside, statements)
                    link_if_absent(aside, self._path)
                sync_folder(self._path.parent)
            except OSError as error:
                raise StateError(f"{self.place} cannot be created: {error.strerror}", _RIGHTS) from error

    def _make_folder(self) -> None:
        """Makes the file's folder, and those above it, for their owner only; `.reconciler` is so in any case.

        Raises: OSError.
        """
        missing = [folder for folder in (self._path.parent, *self._path.parent.parents) if not folder.exists()]
        for folder in reversed(missing):
            own_folder(folder)
        for folder in self._path.parents:
            if folder.name == ".reconciler" and folder.is_dir():
                own_folder(folder)

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        if self._mode != "rw":
            self._reopen_for_writing()
        if _identity(self._path) != self._identity:
            raise StateUnreadable(
                f"{self.place} was removed or replaced while it was in use; nothing was written",
                "Put back the file that was there, and run the command again.",
            )
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    def _reopen_for_writing(self) -> None:
        if not self._may_write():
            raise StateError(f"{self.place}, or its folder, may not be written by this user", _RIGHTS)
        with self._state_errors():
            self._connect("rw")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._state_errors():
            connection = self._open_connection()
            connection.execute(begin)
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Iterable[Row]:
        return self._open_connection().execute(sql, values)

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self._open_connection().executemany(sql, rows)

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StateError(f"{self.place} was used after it was closed. This is a bug.")
        return self._connection

    def objects_only(self, column: str) -> str | None:
        return f"(json_valid({column}) AND substr({column}, 1, 1) = '{{')"

    def stamp(self) -> str:
        return " ".join(_stamp(path) for path in (self._path, self._beside("-wal")))

    def integrity(self) -> tuple[str, ...]:
        with self._state_errors():
            found = [str(text) for (text,) in self.execute("PRAGMA integrity_check(20)")]
        return tuple(text for text in found if text != "ok")

    def drop(self) -> None:
        self.close()
        try:
            for path in (self._beside("-wal"), self._beside("-shm"), self._path):
                path.unlink(missing_ok=True)
            sync_folder(self._path.parent)
        except OSError as error:
            raise StateError(f"{self.place} cannot be removed: {error.strerror}", _RIGHTS) from error

    def back_up(self, label: str) -> None:
        """Keeps a copy as `FILE.LABEL.bak`, including what is only in the log."""
        target = self._beside(f".{label}.bak")
        with private_file_beside(target) as aside:
            uri = f"{self._path.as_uri()}?mode=ro"
            with closing(_connection(uri)) as source, closing(sqlite3.connect(aside)) as copy:
                source.backup(copy)
            _sync_file(aside)
            aside.replace(target)
        sync_folder(self._path.parent)

    def now(self) -> float:
        return time.time()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _state_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def _refusal(self, error: sqlite3.Error) -> StateError:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StateError(
                f"{self.place} was busy for {_BUSY_TIMEOUT_S:.0f} s: another process keeps writing to it",
                "Try again when that process is done.",
            )
        if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
            return StateUnreadable(f"{self.place} cannot be opened: {error}", _RIGHTS)
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            return StateError(
                f"{self.place} cannot be written: {error}", "Free some space on that disk, or repair it, and try again."
            )
        return StateUnreadable(
            f"{self.place} is damaged, or is not a state file: {error}",
            "Restore it from a backup, or correct `state:` in reconciler.yaml. It was left unchanged.",
        )


_RIGHTS = "Give this user permission to read and write that file and its folder."


def _size(path: Path) -> int:
    """In bytes; 0 if it does not exist."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _stamp(path: Path) -> str:
    """Of a log that was emptied, the same as of one that was removed."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return "-"
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}" if status.st_size else "-"


def _identity(path: Path) -> str:
    """Identifies the file that is at `path` now; empty if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ""
    return f"{status.st_dev} {status.st_ino}"


def _connection(uri: str) -> sqlite3.Connection:
    """Opened as `uri` says. We begin transactions ourselves, and the store admits one thread at a time."""
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _fill(path: Path, statements: Iterable[Statement]) -> None:
    with closing(_connection(path.as_uri())) as connection:
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        for sql, values in statements:
            connection.execute(sql, values)
        connection.execute("COMMIT")


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
