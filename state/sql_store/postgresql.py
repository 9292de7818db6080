"""PostgreSQL through psycopg 3: one state per schema, in the schema that `?schema=NAME` in the URL names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.manifests.installation import install_extra
from reconciler.manifests.trust import Trust
from reconciler.manifests.words import quoted
from reconciler.state.database import Row, Statement
from reconciler.state.errors import StateError, StateUnreadable
from reconciler.state.sql_store.postgresql_address import Address, allowed_address, why_no_password

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
_FOREIGN_OWNERS = """
    WITH me AS (SELECT oid, rolsuper FROM pg_roles WHERE rolname = current_user),
    owners AS (
        SELECT nspowner AS owner FROM pg_namespace WHERE nspname = ?
        UNION SELECT relowner FROM pg_class JOIN pg_namespace ON relnamespace = pg_namespace.oid WHERE nspname = ?
    )
    SELECT role.rolname FROM owners JOIN pg_roles AS role ON role.oid = owner, me
    WHERE NOT role.rolsuper AND role.oid <> me.oid AND (me.rolsuper OR NOT pg_has_role(me.oid, role.oid, 'MEMBER'))
"""
"""Who owns a schema, or anything in it, and is neither this user, nor a role it is a member of, nor a superuser."""

_TABLES = frozenset({"meta", "records", "intents", "runs", "leases", "places", "changes", "undo"})


class PostgresqlDatabase:
    """A database on a server. The URL may hold a password: it is used to connect and never shown."""

    def __init__(self, url: str, base: Path, trust: Trust) -> None:
        """Raises: StateError when the URL is not valid, or leads where `trust` does not."""
        plain_url, self._schema = _schema_in(url)
        parameters = _parameters(plain_url)
        given = url == trust.state
        self._address = Address(parameters) if given else allowed_address(parameters, base, trust, os.environ)
        self._connection: Connection[Row] | None = None
        schema = "" if self._schema == _DEFAULT_SCHEMA else f", schema {self._schema}"
        self.place = (
            f"PostgreSQL database {parameters.get('host') or 'localhost'}/{parameters.get('dbname', '')}{schema}"
        )

    def open(self) -> bool:
        with self._state_errors():
            if self._connection is None:
                self._connection = self._connect()
            self._refuse_foreign_schema()
            if not self._exists():
                return False
            self.execute(f'SELECT FROM "{self._schema}".meta LIMIT 0')  # fails if permissions are missing
            return True

    def _connect(self) -> Connection[Row]:
        # libpq would take what is missing here from the environment, and a password that is empty here from nowhere
        parameters = {"connect_timeout": str(_CONNECT_TIMEOUT_S), **self._address.parameters}
        conninfo = psycopg.conninfo.make_conninfo("", **parameters)
        connection = psycopg.connect(conninfo, autocommit=True)
        connection.execute(f'SET search_path TO "{self._schema}"'.encode())
        connection.execute(f"SET lock_timeout TO '{_LOCK_TIMEOUT_S}s'".encode())
        return connection

    def _exists(self) -> bool:
        # Not to_regclass: it reads a cache, which is not refreshed by waiting for another process to create the state.
        sql = "SELECT tablename FROM pg_tables WHERE schemaname = ? AND tablename = 'meta'"
        tables = self.execute(sql, (self._schema,))
        return bool(list(tables))

    def _refuse_foreign_schema(self) -> None:
        """Raises: StateError when the schema, or something in it, belongs to a role that could run code as this user,
        by a view or a policy: any but the user's own, those it is a member of, and superusers."""
        others = [str(name) for (name,) in self.execute(_FOREIGN_OWNERS, (self._schema, self._schema))]
        if others:
            raise StateError(
                f"{self.place}: schema {self._schema} belongs to another role, {quoted(others[0])}, "
                "which could run code as you there",
                f"Let all of it belong to you, or to a role that you are a member of (ALTER SCHEMA {self._schema} "
                "OWNER TO ROLE), or name another schema: ?schema=NAME",
            )

    def create(self, statements: Iterable[Statement]) -> None:
        with self._state_errors(), self._open_connection().transaction():
            self.execute("SELECT pg_advisory_xact_lock(?)", (_CREATION_LOCK,))
            if self._exists():
                return
            if not list(self.execute("SELECT 1 FROM pg_namespace WHERE nspname = ?", (self._schema,))):
                self.execute(f'CREATE SCHEMA "{self._schema}"')  # needs a right that the owner of a schema may lack
            self._refuse_foreign_schema()
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
        if self._address.password_kept_back and "password" in reason:
            parameters = self._address.parameters
            return StateUnreadable(f"{self.place} cannot be reached: {reason}", why_no_password(parameters, os.environ))
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


def _parameters(url: str) -> dict[str, str]:
    """What libpq understands the URL as. Raises: StateError, whose message does not contain the URL."""
    try:
        return {name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(url).items()}
    except psycopg.Error:
        raise StateError(
            "the state's URL begins with postgresql:// but the rest is not valid",
            "Write postgresql://USER@HOST/DATABASE; the password can be in ~/.pgpass or PGPASSWORD.",
        ) from None


def _with_marks(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()
