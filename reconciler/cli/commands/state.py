"""`reconciler state`: shows the records, and changes them without touching objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options, state_place
from reconciler.cli.commands.show import show
from reconciler.cli.session import Exit, Session, session_of
from reconciler.views.output_format import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.views.terminal.lines import Line

Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="Addresses of recorded objects.")]


ORDER = 100


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Show records, or change them without touching objects.", no_args_is_help=True)
    group.command("list")(list_addresses)
    group.command("show")(show_object)
    group.command("mv")(move)
    group.command("forget")(forget)
    group.command("taint")(taint)
    group.command("untaint")(untaint)
    state_place.register(group)
    app.add_typer(group, name="state", rich_help_panel=None)


def list_addresses(
    context: typer.Context,
    pattern: Annotated[str, typer.Argument(metavar="[PATTERN]", help="An address or a pattern.")] = "",
) -> int:
    """List recorded addresses, one per line."""
    from reconciler.views.text.objects import address_lines

    session = session_of(context)
    with session.engine() as engine:
        session.output.lines(address_lines(engine.state().records, pattern))
    return Exit.DONE


def show_object(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="An object.")],
    format_name: options.Format = DEFAULT,
    json: options.Json = False,
) -> int:
    """Show everything that is recorded about one object."""
    return show(context, address, format_name, json)


def move(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The recorded address.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The address in the manifests.")],
) -> int:
    """Rename a record with everything under it. The object itself is not renamed or moved."""
    session = session_of(context)
    with session.engine() as engine:
        moved = engine.records.move(options.parsed_address(source), options.parsed_address(target))
    return _print(session, (f"moved {before} -> {after}" for before, after in moved))


def forget(context: typer.Context, addresses: Addresses) -> int:
    """Drop records with everything under them. The objects are kept and become unmanaged."""
    session = session_of(context)
    with session.engine() as engine:
        forgotten = engine.records.forget(tuple(options.parsed_address(text) for text in addresses))
    return _print(session, (f"forgot {address}" for address in forgotten))


def taint(context: typer.Context, addresses: Addresses) -> int:
    """Mark objects to be recreated by the next apply."""
    return _mark(context, addresses, tainted=True)


def untaint(context: typer.Context, addresses: Addresses) -> int:
    """Remove the mark that taint sets."""
    return _mark(context, addresses, tainted=False)


def _mark(context: typer.Context, addresses: list[str], *, tainted: bool) -> int:
    session = session_of(context)
    with session.engine() as engine:
        marked = engine.records.mark(tuple(options.parsed_address(text) for text in addresses), tainted=tainted)
    return _print(session, (f"{'tainted' if tainted else 'untainted'} {address}" for address in marked))


def _print(session: Session, sentences: Iterable[str]) -> int:
    from reconciler.views.terminal.lines import line

    lines: list[Line] = [line(sentence) for sentence in sentences]
    session.output.lines(lines)
    return Exit.DONE
