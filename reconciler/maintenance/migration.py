"""Moving a state to another store; and the guard against a plan that does not know what another store records."""

from __future__ import annotations

from pathlib import Path

from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.project import DEFAULT_STATE
from reconciler.open_project import OpenProject
from reconciler.records import edit_run
from reconciler.state.errors import ForeignState, StateError, StateMoved
from reconciler.state.records import State
from reconciler.state.store import StateStore


def migrate(project: OpenProject, source_url: str, target_url: str) -> tuple[State, str, str]:
    """Moves everything to an empty store; returns the state and the names of both places.

    From then on the source refuses to be used, so that nobody works with it by mistake.

    Raises: ReconcilerError when the source does not exist or the target is not empty; LockHeld.
    """
    configured = project.project.state
    source, target = (project.store_at(url, given=url != configured) for url in (source_url, target_url))
    try:
        state = source.read()
        if not state.lineage:
            raise ReconcilerError(f"{source.place} does not exist", "Check `state:` in reconciler.yaml, or --from.")
        if source.place == target.place:
            raise ReconcilerError(f"{source.place} is both source and target", "Name another store.")
        _move(project, source, target, source_url)
        return state, source.place, target.place
    finally:
        source.close()
        target.close()


def _move(project: OpenProject, source: StateStore, target: StateStore, source_url: str) -> None:
    """Copies, and retires the source only if it is still what was copied. Else nothing is left at the target."""
    with project.lease_of_all(source) as lease:
        serial, copy = source.summary().serial, source.copy()
        target.fill(copy, edit_run("state migrate", {"migrate": 1}), without_password(source_url))
        try:
            source.retire(lease, serial, target.place)
        except StateError:
            target.drop()
            raise


def without_password(url: str) -> str:
    """A state URL that can be stored: `undo` finds the password where libpq does."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    user, at, server = host.rpartition("@")
    before, mark, query = path.partition("?")
    kept = "&".join(part for part in query.split("&") if part.partition("=")[0] != "password") if mark else ""
    if scheme == "sqlite":
        return url
    return f"{scheme}{separator}{user.partition(':')[0]}{at}{server}{slash}{before}{'?' if kept else ''}{kept}"


def refuse_forgotten_state(project: OpenProject, state: State) -> None:
    """Raises: ReconcilerError when nothing is recorded here, but something in the project's default state file: a plan
    would create all of it again."""
    if state.records or state.intents or project.project.state == DEFAULT_STATE:
        return
    default = project.directory / DEFAULT_STATE.removeprefix("sqlite:///")
    recorded = _records_in(project, default)
    if recorded:
        raise ReconcilerError(
            f"{project.store.place} records nothing, but {default} records {recorded} objects of this project",
            f"Bring them here: reconciler state migrate --from {DEFAULT_STATE}. To begin without them, knowing that "
            f"their objects still exist: move that file away.",
        )


def _records_in(project: OpenProject, default: Path) -> int:
    """How many objects the default state file records; 0 when it is another project's, or was migrated.

    Raises: StateError when that cannot be known.
    """
    if not default.is_file():
        return 0
    try:
        store = project.store_at(DEFAULT_STATE)
    except ForeignState:
        return 0
    try:
        return len(store.read().records)
    except StateMoved:
        return 0
    finally:
        store.close()
