"""The SQL store: one schema and one code for SQLite, the default, and PostgreSQL, for teams.

A row an object, so that a write costs what changed and not what there is. `store.py` has the logic in portable SQL,
`sqlite.py` and `postgresql.py` what differs between the two. Behind this door are the drivers, and nowhere else.

Why not SQLAlchemy: its Core would cover both dialects, but importing it takes 0.2 s, the standard `sqlite3` module
15 ms, and every command of this program would pay for that. What is left to bridge by hand are the mark for a value,
how a writer shuts others out, and how errors read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconciler.state.database import Database
from reconciler.state.errors import StateError
from reconciler.state.sql_store.store import SqlStore
from reconciler.state.store import StateStore


def open_sql_store(url: str, project: str, base: Path, *, clock: Callable[[], float] | None = None) -> StateStore:
    """The store at `sqlite:///PATH` (relative to `base`), `sqlite:////PATH` (absolute) or `postgresql://...`.

    `clock` gives the leases' time, in seconds since 1970; without it that is the database's own.
    Raises: StateError when the state exists and cannot be used, or the URL is none of these.
    """
    store = SqlStore(_database(url, base), project, clock)
    store.open()
    return store


def _database(url: str, base: Path) -> Database:
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite" and rest.strip("/"):
        from reconciler.state.sql_store.sqlite import SqliteDatabase

        return SqliteDatabase(base / rest.removeprefix("/"))
    if scheme == "postgresql" and separator:
        from reconciler.state.sql_store.postgresql import PostgresqlDatabase

        return PostgresqlDatabase(url)
    kind = f"a state URL that begins with '{scheme}://'" if separator else "a state URL without '://'"
    raise StateError(
        f"{kind} is not known here",
        "Write sqlite:///PATH (relative to the project), sqlite:////PATH (absolute) or postgresql://HOST/DATABASE.",
    )
