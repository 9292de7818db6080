"""`undo`: takes back the latest edit of the state, as long as nothing was written since."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.manifests.errors import ReconcilerError
from reconciler.open_project import OpenProject
from reconciler.records import edit_run
from reconciler.state.upkeep import LastEdit


def undo(project: OpenProject, approve: Callable[[LastEdit], bool]) -> LastEdit | None:
    """Takes back the latest `state mv`, `forget`, `taint`, `untaint`, `rebuild`, `check --drop-damaged` or `migrate`.

    Returns what was taken back; None when `approve` declines. After a migration the state that it came from is used
    again, and the one here is removed.

    Raises: ReconcilerError when there is nothing to take back, or something was written since; LockHeld.
    """
    edit = project.store.last_edit()
    if edit is None:
        raise ReconcilerError("there is no edit of the state to take back", "See what was done: reconciler history")
    if not edit.untouched:
        raise _written_since(project, edit)
    if not approve(edit):
        return None
    if edit.source:
        _return_to(project, edit)
        return edit
    with project.lease(edit.galleries) as lease:
        project.store.take_back(lease, edit_run("state undo", {"undo": 1}), edit.run.id)
    return edit


def _return_to(project: OpenProject, edit: LastEdit) -> None:
    """Puts the source of a migration into use before this state is removed: killed in between, it can be repeated."""
    source = project.store_at(edit.source)
    try:
        with project.lease_of_all(project.store):
            source.reinstate()
    finally:
        source.close()
    project.store.drop()


def _written_since(project: OpenProject, edit: LastEdit) -> ReconcilerError:
    later = [run for run in project.store.runs(1) if run.id != edit.run.id]
    by = f" by {later[0].command} of {later[0].holder} at {later[0].started}" if later else ""
    return ReconcilerError(
        f"'{edit.run.command}' of {edit.run.started} cannot be taken back: the state was written to since{by}",
        "An apply is never taken back. Make the opposite edit, or look at the backup that was made before: "
        ".reconciler/backups",
    )
