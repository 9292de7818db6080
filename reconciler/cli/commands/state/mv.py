"""`reconciler state mv`: renames records."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import session_of
from reconciler.cli.state_editing import editing, say

ORDER = 30


def register(group: typer.Typer) -> None:
    group.command("mv")(move)


def move(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The recorded address.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The address in the manifests.")],
    lock_timeout: options.LockTimeout = 0.0,
) -> int:
    """Rename a record with everything under it. The object itself is not renamed or moved."""
    session = session_of(context)
    before, after = options.parsed_address(source), options.parsed_address(target)
    with editing(session, "mv", lock_timeout) as engine:
        moved = engine.records.move(before, after)
    return say(session, (f"moved {before} -> {after}" for before, after in moved))
