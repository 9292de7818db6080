"""`reconciler show`: what is recorded."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, session_of


def register(app: typer.Typer) -> None:
    app.command("show")(show)


def show(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="[ADDRESS]", help="One object; without it, an overview.")] = "",
    json: options.Json = False,
) -> int:
    """Show what is recorded.

    Everything in brief, or one object with all that is known of it.
    """
    session = session_of(context)
    wanted = options.parsed_address(address) if address else None
    with session.engine() as engine:
        state = engine.state()
        chosen = engine.records.get((wanted,))[0] if wanted else None
        if json:
            from reconciler.views.formats.json_lines import record_event, write_event

            for record in [chosen] if chosen else state.records.values():
                write_event(sys.stdout, record_event(record))
            return Exit.DONE
        from reconciler.views.text.objects import overview_lines, record_lines

        output = session.output
        if chosen:
            output.lines(record_lines(chosen, state.records))
        else:
            output.lines(overview_lines(state, engine.runs()))
    return Exit.DONE
