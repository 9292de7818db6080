"""`reconciler show`: what is recorded."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, session_of
from reconciler.views.output_format import DEFAULT

ORDER = 70


def register(app: typer.Typer) -> None:
    app.command("show")(show)


def show(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="[ADDRESS]", help="An object; without it, an overview.")] = "",
    format_name: options.Format = DEFAULT,
    json: options.Json = False,
) -> int:
    """Show what is recorded.

    An overview, or everything that is recorded about one object.
    """
    session = session_of(context)
    wanted = options.parsed_address(address) if address else None
    output_format = options.output_format(format_name, json=json)
    output = session.output_for(output_format)
    with session.engine() as engine:
        state = engine.state()
        if wanted:
            output.lines(output_format.record(engine.records.get((wanted,))[0], state.records))
        else:
            output.lines(output_format.overview(state, engine.runs()))
    return Exit.DONE
