"""The SQL store: one schema and one code for SQLite, the default, and PostgreSQL, for teams.

A row an object, so that a write costs what changed and not what there is. `store.py` has the logic in portable SQL,
`sqlite.py` and `postgresql.py` what differs between the two. Behind this door are the drivers, and nowhere else.

Why not SQLAlchemy: its Core would cover both dialects, but importing it takes 0.2 s, the standard `sqlite3` module
15 ms, and every command of this program would pay for that. What is left to bridge by hand are the mark for a value,
how a writer shuts others out, and how errors read.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.state.database import Database
from reconciler.state.sql_store.store import SqlStore
from reconciler.state.store import StateStore


def open_sql_store(database: Database, project: str, clock: Callable[[], float] | None = None) -> StateStore:
    """The store in a database. `clock`: see `open_store`. Raises: StateError when a state is there and unusable."""
    store = SqlStore(database, project, clock)
    store.open()
    return store
