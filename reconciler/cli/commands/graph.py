"""`reconciler graph`: what depends on what."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, reading_session

if TYPE_CHECKING:
    from reconciler.graph import ResourceGraph
    from reconciler.manifests.address import Address


class GraphFormat(StrEnum):
    DOT = "dot"
    MERMAID = "mermaid"


ORDER = 80


def register(app: typer.Typer) -> None:
    app.command("graph")(graph)


def graph(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="[ADDRESS]", help="Draw only this and everything under it.")] = "",
    form: Annotated[GraphFormat, typer.Option("--format", help="Graphviz or Mermaid.")] = GraphFormat.DOT,
) -> int:
    """Print the dependency graph of the manifests.

    Shows what contains what, and which versions are built from which.
    """
    session = reading_session(context)
    wanted = options.parsed_address(address) if address else None
    with session.engine() as engine:
        drawn, nodes = engine.graph(wanted)
    from reconciler.views.terminal.output import write_document

    write_document(sys.stdout, _text(form)(drawn, nodes))
    return Exit.DONE


def _text(form: GraphFormat) -> Callable[[ResourceGraph, Collection[Address]], str]:
    if form is GraphFormat.DOT:
        from reconciler.views.graphs.dot import dot_text

        return dot_text
    from reconciler.views.graphs.mermaid import mermaid_text

    return mermaid_text
