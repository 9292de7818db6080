"""`reconciler history`: what was done, when and by whom."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, reading_session
from reconciler.views.output_format import DEFAULT

ORDER = 75


def register(app: typer.Typer) -> None:
    app.command("history")(history)


def history(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="[ADDRESS]", help="An object; without it, all runs.")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="How many at most.", min=1, max=10_000)] = 20,
    format_name: options.Format = DEFAULT,
    json: options.Json = False,
) -> int:
    """Show past runs, or who changed an object.

    Runs are applies, destroys and edits of the state, the newest first. `history: {keep: N}` in reconciler.yaml says
    how many are remembered.
    """
    session = reading_session(context)
    wanted = options.parsed_address(address) if address else None
    output_format = options.output_format(format_name, json=json)
    output = session.output_for(output_format)
    with session.engine() as engine:
        if wanted:
            output.lines(output_format.changes(engine.changes(wanted, limit)))
        else:
            output.lines(output_format.history(engine.runs(limit)))
    return Exit.DONE
