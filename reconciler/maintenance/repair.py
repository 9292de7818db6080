"""Removing the rows of a damaged state that cannot be used."""

from __future__ import annotations

from reconciler.open_project import OpenProject
from reconciler.provenance import current_user
from reconciler.records import edit_run
from reconciler.state.records import Damage


def drop_damaged(project: OpenProject) -> tuple[Damage, ...]:
    """Removes every row that cannot be used, and returns what was wrong with them. Raises: LockHeld, StateError."""
    store = project.store
    lease = store.acquire_all(current_user())
    try:
        return store.drop_damaged(lease, edit_run("state check --drop-damaged", {"drop": 1}))
    finally:
        store.release(lease)
