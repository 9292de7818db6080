"""`sqlite:///PATH`: one file, the default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconciler.manifests.trust import Trust
from reconciler.state.sql_store import open_sql_store
from reconciler.state.store import StateStore

FORM = "sqlite:///PATH (relative to the project) or sqlite:////PATH (absolute)"


def open_store(
    url: str, project: str, base: Path, clock: Callable[[], float] | None, _trust: Trust
) -> StateStore | None:
    """The store in the file that `url` names; None when it names no file. Raises: StateError."""
    from reconciler.state.sql_store.sqlite import SqliteDatabase

    path = url.partition("://")[2]
    return open_sql_store(SqliteDatabase(base / path.removeprefix("/")), project, clock) if path.strip("/") else None
