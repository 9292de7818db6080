"""`reconciler state undo`: takes back the latest edit of the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from reconciler.cli import options
from reconciler.cli.session import session_of
from reconciler.cli.state_editing import ask, editing, require_approval, say, unchanged

if TYPE_CHECKING:
    from reconciler.state.upkeep import LastEdit

ORDER = 80


def register(group: typer.Typer) -> None:
    group.command("undo")(undo_edit)


def undo_edit(
    context: typer.Context, auto_approve: options.AutoApprove = False, lock_timeout: options.LockTimeout = 0.0
) -> int:
    """Take back the latest edit of the state.

    An edit is mv, forget, taint, untaint, rebuild, migrate or check --drop-damaged. Refused when anything was
    written to the state since. An apply is never taken back.
    """
    from reconciler.maintenance.undo import undo

    require_approval(approved=auto_approve)
    session = session_of(context)

    def approve(edit: LastEdit) -> bool:
        run = edit.run
        done = ", ".join(f"{number:,} {action}" for action, number in run.counts.items())
        sentence = f"{run.command} of {run.started} by {run.holder} ({done}) will be taken back."
        return ask(session, [sentence], "Take this back?", approved=auto_approve)

    with editing(session, "undo", lock_timeout) as engine:
        edit = undo(engine, approve)
    if edit is None:
        return unchanged(session)
    then = [f"Now name that store again in reconciler.yaml: state: {edit.source}"] if edit.source else []
    return say(session, [f"Taken back: {edit.run.command}.", *then])
