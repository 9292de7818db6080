"""`sqlite:///PATH`: one file, the default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import ALLOW_DIRECTORY, Trust, resolved_inside
from reconciler.state.errors import StateError
from reconciler.state.sql_store import open_sql_store
from reconciler.state.store import StateStore

FORM = "sqlite:///PATH (relative to the project) or sqlite:////PATH (absolute)"
_BESIDE = ("", "-wal", "-shm", "-journal")
"""What SQLite opens along with a file."""


def open_store(
    url: str, project: str, base: Path, clock: Callable[[], float] | None, trust: Trust
) -> StateStore | None:
    """The store in the file that `url` names; None when it names no file. Raises: StateError."""
    from reconciler.state.sql_store.sqlite import SqliteDatabase

    check(url, base, trust)
    path = _path(url, base)
    if path is None:
        return None
    return open_sql_store(SqliteDatabase(path, read_only=trust.untrusted), project, clock)


def check(url: str, base: Path, trust: Trust) -> None:
    """Raises: StateError for a file that leads out of the project, unless whoever runs this has named it."""
    path = _path(url, base)
    if path is None or (url == trust.state and not trust.untrusted):
        return
    roots = trust.roots(base)
    try:
        real = resolved_inside(path, roots)
        for suffix in _BESIDE:
            resolved_inside(f"{real}{suffix}", roots)
    except InvalidInput as outside:
        raise StateError(
            f"state file {path} is outside of the project",
            f"Name it in RECONCILER_STATE or as `state` in those settings, or {ALLOW_DIRECTORY}.",
        ) from outside


def _path(url: str, base: Path) -> Path | None:
    path = url.partition("://")[2]
    return base / path.removeprefix("/") if path.strip("/") else None
