"""`reconciler state`: looks at the records, and changes them without touching objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.commands.show import show
from reconciler.cli.session import Exit, Session, session_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.views.terminal.lines import Line

Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="What it is about.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Look at records, or change them without touching objects.", no_args_is_help=True)
    group.command("list")(list_addresses)
    group.command("show")(show_object)
    group.command("mv")(move)
    group.command("forget")(forget)
    group.command("taint")(taint)
    group.command("untaint")(untaint)
    app.add_typer(group, name="state", rich_help_panel=None)


def list_addresses(
    context: typer.Context,
    pattern: Annotated[str, typer.Argument(metavar="[PATTERN]", help="An address or a glob.")] = "",
) -> int:
    """List recorded addresses, one a line."""
    from reconciler.views.text.objects import address_lines

    session = session_of(context)
    with session.engine() as engine:
        session.output.lines(address_lines(engine.state().records, pattern))
    return Exit.DONE


def show_object(
    context: typer.Context, address: Annotated[str, typer.Argument(metavar="ADDRESS")], json: options.Json = False
) -> int:
    """Show all that is recorded of one object."""
    return show(context, address, json)


def move(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The address it is recorded under.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The address that it is declared under now.")],
) -> int:
    """Rename a record, with all that is in it. The object keeps its name and place."""
    session = session_of(context)
    with session.engine() as engine:
        moved = engine.records.move(options.parsed_address(source), options.parsed_address(target))
    return _said(session, (f"moved {before} -> {after}" for before, after in moved))


def forget(context: typer.Context, addresses: Addresses) -> int:
    """Drop records, with all that is in them. The objects stay, and are nobody's from then on."""
    session = session_of(context)
    with session.engine() as engine:
        forgotten = engine.records.forget(tuple(options.parsed_address(text) for text in addresses))
    return _said(session, (f"forgot {address}" for address in forgotten))


def taint(context: typer.Context, addresses: Addresses) -> int:
    """Mark objects to be made anew by the next apply."""
    return _mark(context, addresses, tainted=True)


def untaint(context: typer.Context, addresses: Addresses) -> int:
    """Take the mark away again."""
    return _mark(context, addresses, tainted=False)


def _mark(context: typer.Context, addresses: list[str], *, tainted: bool) -> int:
    session = session_of(context)
    with session.engine() as engine:
        marked = engine.records.mark(tuple(options.parsed_address(text) for text in addresses), tainted=tainted)
    return _said(session, (f"{'tainted' if tainted else 'untainted'} {address}" for address in marked))


def _said(session: Session, sentences: Iterable[str]) -> int:
    from reconciler.views.terminal.lines import line

    lines: list[Line] = [line(sentence) for sentence in sentences]
    session.output.lines(lines)
    return Exit.DONE
