"""`open_store`: the store for a URL."""

from __future__ import annotations

from pathlib import Path

from reconciler.state.store import StateStore


def open_store(url: str, project: str, base: Path) -> StateStore:
    """The store at `url`; relative SQLite paths start at `base`. Makes nothing: see `StateStore`.

    Raises: StateError when it cannot be used: corrupt, newer than this program, of another project, or an unknown URL.
    """
    from reconciler.state.sql_store import open_sql_store

    return open_sql_store(url, project, base)
