"""`reconciler state list`: the recorded addresses."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.session import Exit, reading_session

ORDER = 10


def register(group: typer.Typer) -> None:
    group.command("list")(list_addresses)


def list_addresses(
    context: typer.Context,
    pattern: Annotated[str, typer.Argument(metavar="[PATTERN]", help="An address or a pattern.")] = "",
) -> int:
    """List recorded addresses, one per line."""
    from reconciler.views.text.objects import address_lines

    session = reading_session(context)
    with session.engine() as engine:
        session.output.lines(address_lines(engine.state().records, pattern))
    return Exit.DONE
