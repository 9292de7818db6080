"""`reconciler state show`: one record in full."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.commands.show import show
from reconciler.views.output_format import DEFAULT

ORDER = 20


def register(group: typer.Typer) -> None:
    group.command("show")(show_object)


def show_object(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="An object.")],
    format_name: options.Format = DEFAULT,
    json: options.Json = False,
) -> int:
    """Show everything that is recorded about one object."""
    return show(context, address, format_name, json)
