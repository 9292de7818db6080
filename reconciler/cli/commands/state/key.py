"""`reconciler state key`: keeps the key of owner marks apart from the state."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.session import session_of
from reconciler.cli.state_editing import say

ORDER = 120


def register(group: typer.Typer) -> None:
    keys = typer.Typer(help="Keep the key of owner marks apart from the state.", no_args_is_help=True)
    keys.command("export")(export)
    keys.callback()(_group)
    group.add_typer(keys, name="key")


def _group() -> None:
    """Keep the key of owner marks apart from the state."""


def export(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A new file, which only you may read.")],
) -> int:
    """Write the key that owner marks are sealed with to a file.

    With it, `state rebuild --key FILE` recognises the objects after the state is lost. Keep it secret: whoever has it
    can make marks that this state trusts.
    """
    from reconciler.maintenance.key_files import export_key

    session = session_of(context)
    with session.engine() as engine:
        lineage = export_key(engine, Path(file))
    return say(session, [f"Wrote the key of lineage {lineage} to {file}. Keep it secret, and apart from the state."])
