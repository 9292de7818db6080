"""`reconciler state migrate`: moves the state to another store."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import session_of
from reconciler.cli.state_editing import lock_reporter, say

ORDER = 90


def register(group: typer.Typer) -> None:
    group.command("migrate")(migrate_state)


def migrate_state(
    context: typer.Context,
    target: Annotated[
        str, typer.Argument(metavar="[URL]", help="Where to; without it, to what reconciler.yaml names.")
    ] = "",
    source: Annotated[
        str, typer.Option("--from", metavar="URL", help="Where from; without it, from what reconciler.yaml names.")
    ] = "",
    lock_timeout: options.LockTimeout = 0.0,
) -> int:
    """Move the state to another store.

    Everything in it, between SQLite and PostgreSQL. The target must be empty. The source is kept as it was, and
    refuses to be used from then on.
    """
    from reconciler.maintenance.backups import back_up_before
    from reconciler.maintenance.migration import migrate, without_password

    if bool(target) == bool(source):
        raise typer.BadParameter("name one of the two: URL, or --from URL")
    session = session_of(context)
    with session.engine(lock_reporter(session)) as engine:
        engine.lock_timeout_s = lock_timeout
        if target:
            back_up_before(engine, "migrate")
        configured = engine.project.state
        state, before, after = migrate(engine, source or configured, target or configured)
    sentences = [f"Moved {len(state.records):,} records from {before} to {after}."]
    if target:
        sentences.append(f"Now change one line in reconciler.yaml to: state: {without_password(target)}")
    return say(session, [*sentences, "To take this back, before anything is applied: reconciler state undo"])
