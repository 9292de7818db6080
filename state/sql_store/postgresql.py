"""PostgreSQL through psycopg 3: one state per schema, in the schema that `?schema=NAME` in the URL names."""

from __future__ import annotations

import re
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
_CREATION_LOCK = 0x5265636F  # any number, the same for every client
_DEFAULT_SCHEMA = "reconciler"
_SCHEMA_NAME = re.compile(r"(?!pg_|information_schema$)[a-z_][a-z0-9_]{0,62}")
_HAS_IS_JSON = 16_00_00
_TABLES = frozenset({"meta", "records", "intents", "runs", "leases", "places", "changes", "undo"})


class PostgresqlDatabase:
    """A database on a server. The URL may hold a password: it is used to connect and never shown."""

    def __init__(self, url: str) -> None:
        """Raises: StateError when the URL is not valid."""
        self._url, self._schema = _schema_in(url)
        self._connection: Connection[Row] | None = None
        schema = "" if self._schema == _DEFAULT_SCHEMA else f", schema {self._schema}"
        self.place = f"PostgreSQL database {_public_name(self._url)}{schema}"

    def open(self) -> bool:
        with self._state_errors():
            if self._connection is None:
                self._connection = self._connect()
            if not self._exists():
                return False
            self.execute(f'SELECT FROM "{self._schema}".meta LIMIT 0')  # fails if permissions are missing
            return True

    def _connect(self) -> Connection[Row]:
        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S)
        connection.execute(f'SET search_path TO "{self._schema}"'.encode())
        connection.execute(f"SET lock_timeout TO '{_LOCK_TIMEOUT_S}s'".encode())
        return connection

    def _exists(self) -> bool:
        # Not to_regclass: it reads a cache, which is not refreshed by waiting for another process to create the state.
        sql = "SELECT tablename FROM pg_tables WHERE schemaname = ? AND tablename = 'meta'"
        tables = self.execute(sql, (self._schema,))
        return bool(list(tables))

    def create(self, statements: Iterable[Statement]) -> None:
        with self._state_errors(), self._open_connection().transaction():
            self.execute("SELECT pg_advisory_xact_lock(?)", (_CREATION_LOCK,))
            if self._exists():
                return
            self.execute(f'CREATE SCHEMA IF NOT EXISTS "{self._schema}"')
            for sql, values in statements:
                self.execute(sql, values)

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._transaction(b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        # This lock conflicts with itself and with no reader.
        with self._transaction(b"BEGIN; LOCK TABLE meta IN SHARE ROW EXCLUSIVE MODE"):
            yield

    @contextmanager
    def _transaction(self, begin: bytes) -> Iterator[None]:
        with self._state_errors():
            try:
                self._begin(begin)
                yield
                self._open_connection().execute("COMMIT")
            except BaseException:
                if self._connection is not None and not self._connection.closed:
                    self._connection.rollback()
                raise

    def _begin(self, begin: bytes) -> None:
        """Begins a transaction; on a new connection if the old one was lost while it was idle."""
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
            raise StateError(f"{self.place} was used after it was closed. This is a bug.")
        return self._connection

    def objects_only(self, column: str) -> str | None:
        return f"{column} IS JSON OBJECT" if self._open_connection().info.server_version >= _HAS_IS_JSON else None

    def stamp(self) -> str:
        return ""

    def integrity(self) -> tuple[str, ...]:
        """Nothing: the server checks its own files when it reads them."""
        return ()

    def drop(self) -> None:
        with self._state_errors(), self._open_connection().transaction():
            for (table,) in list(self.execute("SELECT tablename FROM pg_tables WHERE schemaname = ?", (self._schema,))):
                if table in _TABLES:
                    self.execute(f'DROP TABLE "{table}"')

    def back_up(self, label: str) -> None:
        """Does nothing: an upgrade is one transaction, and backups are up to the server's owner."""

    def now(self) -> float:
        ((seconds,),) = self.execute("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")
        return float(seconds)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _state_errors(self) -> Iterator[None]:
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
                f"Grant the user all privileges on a schema called {self._schema}, or the right to create it.",
            )
        if isinstance(error, psycopg.OperationalError):
            return StateUnreadable(
                f"{self.place} cannot be reached: {reason}",
                "Check that the server is running and the state's URL, user and password are correct, and try again.",
            )
        return StateUnreadable(
            f"{self.place} is damaged, or its schema {self._schema} is not a state: {reason}",
            "Restore it from a backup, or name another database. It was left unchanged.",
        )


def _schema_in(url: str) -> tuple[str, str]:
    """The URL without our own parameter, and the name of the schema. Raises: StateError."""
    before, mark, query = url.partition("?")
    parameters = query.split("&") if mark else []
    names = [part.partition("=")[2] for part in parameters if part.partition("=")[0] == "schema"]
    others = "&".join(part for part in parameters if part.partition("=")[0] != "schema")
    if len(names) > 1 or not all(_SCHEMA_NAME.fullmatch(name) for name in names):
        raise StateError(
            "the schema in the state's URL is not valid",
            "Write ?schema=NAME once, with a name of up to 63 lower-case letters, digits and '_' that does not begin "
            "with a digit or pg_.",
        )
    return f"{before}?{others}" if others else before, (*names, _DEFAULT_SCHEMA)[0]


def _public_name(url: str) -> str:
    """`HOST/DATABASE` as libpq understands the URL. Raises: StateError, whose message does not contain the URL."""
    try:
        parameters = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise StateError(
            "the state's URL begins with postgresql:// but the rest is not valid",
            "Write postgresql://USER@HOST/DATABASE; the password can be in ~/.pgpass or PGPASSWORD.",
        ) from None
    return f"{parameters.get('host') or 'localhost'}/{parameters.get('dbname') or ''}"


def _with_marks(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()
