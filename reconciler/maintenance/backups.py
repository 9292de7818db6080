"""Backups: a state file with everything that the state contains, wherever that is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from reconciler.manifests.errors import ReconcilerError
from reconciler.open_project import OpenProject

FOLDER = Path(".reconciler") / "backups"
_KEPT = 20


def back_up(project: OpenProject, path: Path) -> None:
    """Writes the whole state to a new SQLite file that only its owner may read: it contains the state's keys.

    Raises: ReconcilerError when there is no state or the file exists; StateError.
    """
    if path.exists() or path.is_symlink():
        raise ReconcilerError(f"{path} already exists", "Name a new file.")
    copy = project.store.copy()
    backup = project.store_at(f"sqlite:///{path.absolute()}", given=True)
    try:
        backup.fill(copy)
    finally:
        backup.close()


def back_up_before(project: OpenProject, command: str) -> Path | None:
    """A backup in the project's folder, made before `command` edits the state; None when nothing was ever recorded.

    The newest are kept, and older ones removed.
    """
    if not project.store.summary().serial:
        return None
    path = default_path(project, f"before-{command}")
    back_up(project, project.directory / path)
    for old in sorted((project.directory / FOLDER).glob(f"{project.project.environment}-*-before-*.db"))[:-_KEPT]:
        old.unlink(missing_ok=True)
    return path


def default_path(project: OpenProject, label: str) -> Path:
    """A new name in the folder of backups, relative to the project: of the environment, the time and `label`."""
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return FOLDER / f"{project.project.environment}-{at}-{label}.db"
