"""The SQL store: one schema and one code for SQLite, the default, and PostgreSQL, for teams.

One row per object, so that the cost of a write depends on what changed and not on the size of the state. `store.py`
has the logic in portable SQL, `sqlite.py` and `postgresql.py` what differs between the two. Only these two import
database drivers.

Why not SQLAlchemy: its Core would cover both dialects, but importing it takes 0.2 s, the standard `sqlite3` module
15 ms, and every command of this program would pay for that. What remains to be bridged by hand is little: the
placeholder for a value, how a writer excludes others, and the wording of errors.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.state.database import Database
from reconciler.state.sql_store.store import SqlStore
from reconciler.state.store import StateStore


def open_sql_store(database: Database, project: str, clock: Callable[[], float] | None = None) -> StateStore:
    """The store in a database. `clock`: see `open_store`. Raises: StateError when a state exists and is unusable."""
    store = SqlStore(database, project, clock)
    store.open()
    return store
