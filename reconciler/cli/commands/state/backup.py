"""`reconciler state backup`: a copy of the whole state."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.session import session_of
from reconciler.cli.state_editing import say

ORDER = 70


def register(group: typer.Typer) -> None:
    group.command("backup")(backup)


def backup(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="A new file; without it, one in .reconciler/backups.")
    ] = "",
) -> int:
    """Write the whole state to a state file.

    That is a SQLite file, wherever the state is kept. It contains the state's keys: keep it as safe as the state.
    To use it, put it where the state was, or name it as
    `state:` in reconciler.yaml and move it with `reconciler state migrate`.
    """
    from reconciler.maintenance.backups import back_up, default_path

    session = session_of(context)
    with session.engine() as engine:
        path = Path(file) if file else engine.directory / default_path(engine, "backup")
        back_up(engine, path)
    return say(session, [f"Backed up to {path}"])
