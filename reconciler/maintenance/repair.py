"""Removing the rows of a damaged state that cannot be used."""

from __future__ import annotations

from reconciler.open_project import OpenProject
from reconciler.records import edit_run
from reconciler.state.upkeep import Damage


def drop_damaged(project: OpenProject) -> tuple[Damage, ...]:
    """Removes every row that cannot be used, and returns what was wrong with them. Raises: LockHeld, StateError."""
    with project.lease_of_all(project.store) as lease:
        return project.store.drop_damaged(lease, edit_run("state check --drop-damaged", {"drop": 1}))
