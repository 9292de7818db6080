"""PostgreSQL through psycopg 3: tables in a schema called `reconciler`, one state a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reconciler.manifests.installation import install_extra
from reconciler.state.database import Row, Statement
from reconciler.state.errors import StateError, StateUnreadable

try:
    import psycopg
except ImportError as error:
    raise StateError(
        f"a postgresql:// state needs psycopg, which cannot be imported: {error}",
        f"Install it, in reconciler's checkout: {install_extra('postgresql')}",
    ) from error

if TYPE_CHECKING:
    from psycopg import Connection

_LOCK_TIMEOUT_S = 30
_CONNECT_TIMEOUT_S = 10
_CREATION_LOCK = 0x5265636F  # any number, the same for everyone


class PostgresqlDatabase:
    """A database on a server. The URL may hold a password: it is used to connect and never shown."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection[Row] | None = None
        self.place = f"PostgreSQL database {_public_name(url)}"

    def open(self) -> bool:
        with self._in_words():
            if self._connection is None:
                self._connection = self._connect()
            if not self._exists():
                return False
            self.execute("SELECT FROM reconciler.meta LIMIT 0")  # says so where rights are missing
            return True

    def _connect(self) -> Connection[Row]:
        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S)
        connection.execute("SET search_path TO reconciler")
        connection.execute(f"SET lock_timeout TO '{_LOCK_TIMEOUT_S}s'".encode())
        return connection

    def _exists(self) -> bool:
        # Not to_regclass: it answers from a cache that waiting for another's creation does not refresh.
        tables = self.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'reconciler' AND tablename = 'meta'")
        return bool(list(tables))

    def create(self, statements: Iterable[Statement]) -> None:
        with self._in_words(), self._open_connection().transaction():
            self.execute("SELECT pg_advisory_xact_lock(?)", (_CREATION_LOCK,))
            if self._exists():
                return
            self.execute("CREATE SCHEMA IF NOT EXISTS reconciler")
            for sql, values in statements:
                self.execute(sql, values)

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._transaction(b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        # This lock shuts out its own kind and no readers.
        with self._transaction(b"BEGIN; LOCK TABLE meta IN SHARE ROW EXCLUSIVE MODE"):
            yield

    @contextmanager
    def _transaction(self, begin: bytes) -> Iterator[None]:
        with self._in_words():
            try:
                self._begin(begin)
                yield
                self._open_connection().execute("COMMIT")
            except BaseException:
                if self._connection is not None and not self._connection.closed:
                    self._connection.rollback()
                raise

    def _begin(self, begin: bytes) -> None:
        """Begins; on a new connection where the old one was lost while nothing was being done with it."""
        connection = self._open_connection()
        try:
            connection.execute(begin)
        except psycopg.OperationalError:
            if not connection.closed:
                raise
            self._connection = self._connect()
            self._connection.execute(begin)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Iterable[Row]:
        cursor = self._open_connection().execute(_with_marks(sql), values or None)
        return cursor if cursor.description else ()

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        with self._open_connection().cursor() as cursor:
            cursor.executemany(_with_marks(sql), rows)

    def _open_connection(self) -> Connection[Row]:
        if self._connection is None:
            raise StateError(f"{self.place} was closed and is used again. This is a bug.")
        return self._connection

    def back_up(self, label: str) -> None:
        """Nothing to do: an upgrade is one transaction, and the server's backups are its owner's."""

    def now(self) -> float:
        ((seconds,),) = self.execute("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")
        return float(seconds)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._refusal(error) from error

    def _refusal(self, error: psycopg.Error) -> StateError:
        reason = " ".join(str(error).split())
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return StateError(
                f"{self.place} was busy for {_LOCK_TIMEOUT_S} s: another process keeps writing to it",
                "Try again when that process is done.",
            )
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return StateUnreadable(
                f"{self.place} denies access: {reason}",
                "Give the user all rights on a schema called reconciler, or the right to create it.",
            )
        if isinstance(error, psycopg.OperationalError):
            return StateUnreadable(
                f"{self.place} cannot be reached: {reason}",
                "Check that the server runs and that the state's URL, user and password are right, then try again.",
            )
        return StateUnreadable(
            f"{self.place} is damaged, or its schema reconciler is not a state: {reason}",
            "Restore it from a backup, or name another database. It was left as it is.",
        )


def _public_name(url: str) -> str:
    """`HOST/DATABASE` as libpq understands the URL. Raises: StateError, and the message keeps the URL to itself."""
    try:
        parameters = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise StateError(
            "the state's URL begins with postgresql:// but the rest is not valid",
            "Write postgresql://USER@HOST/DATABASE; the password can stand in ~/.pgpass or PGPASSWORD.",
        ) from None
    return f"{parameters.get('host') or 'localhost'}/{parameters.get('dbname') or ''}"


def _with_marks(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()
