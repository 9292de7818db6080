"""`postgresql://HOST/DATABASE`: for teams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconciler.manifests.trust import Trust
from reconciler.state.errors import StateError
from reconciler.state.sql_store import open_sql_store
from reconciler.state.store import StateStore

FORM = "postgresql://HOST/DATABASE"


def open_store(url: str, project: str, base: Path, clock: Callable[[], float] | None, trust: Trust) -> StateStore:
    """The store in the database at `url`. Raises: StateError."""
    from reconciler.state.sql_store.postgresql import PostgresqlDatabase

    return open_sql_store(PostgresqlDatabase(url, base, trust), project, clock)


def check(url: str, base: Path, trust: Trust) -> None:
    """Raises: StateError for a URL that `open_store` would refuse before it connects."""
    if trust.untrusted:
        raise StateError("the state is on a server, and nothing connects for a project that is not trusted")
    from reconciler.state.sql_store.postgresql import PostgresqlDatabase

    PostgresqlDatabase(url, base, trust)
