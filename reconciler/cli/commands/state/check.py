"""`reconciler state check`: whether the state is as the program writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, reading_session, session_of
from reconciler.cli.state_editing import editing, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.state.upkeep import Damage

ORDER = 60


def register(group: typer.Typer) -> None:
    group.command("check")(check)


def check(
    context: typer.Context,
    drop_damaged: Annotated[
        bool, typer.Option("--drop-damaged", help="Remove the rows that cannot be used; the objects are kept.")
    ] = False,
    lock_timeout: options.LockTimeout = 0.0,
) -> int:
    """Check every row of the state and the database itself.

    Exit codes: 0 nothing is damaged; 1 something is.
    """
    if drop_damaged:
        return _drop(context, lock_timeout)
    session = reading_session(context)
    with session.engine() as engine:
        found, place = engine.store.check(), engine.store.place
    say(session, _sentences(found, place))
    return Exit.ERROR if found else Exit.DONE


def _drop(context: typer.Context, lock_timeout: float) -> int:
    from reconciler.maintenance.repair import drop_damaged

    session = session_of(context)
    with editing(session, "check", lock_timeout) as engine:
        dropped = drop_damaged(engine)
    say(session, [f"dropped {damage.row}: {damage.problem}" for damage in dropped])
    then = "Record their objects again: reconciler state rebuild. To take this back: reconciler state undo"
    return say(session, [then] if dropped else ["No row is damaged so that it cannot be used."])


def _sentences(found: Iterable[Damage], place: str) -> Iterator[str]:
    found = tuple(found)
    for damage in found:
        yield f" {'!' if damage.unreadable else '~'} {damage.row}: {damage.problem}"
    if not found:
        yield f"{place}: nothing is damaged."
    elif any(damage.table for damage in found if damage.unreadable):
        yield (
            "Restore a backup, or drop the rows that are marked with ! and record their objects again: "
            "reconciler state check --drop-damaged, then reconciler state rebuild"
        )
    elif any(damage.unreadable for damage in found):
        yield "Restore a backup, or begin with an empty state and record what exists: reconciler state rebuild"
    else:
        yield "Every row can be used. An apply writes the records it changes as they should be."
