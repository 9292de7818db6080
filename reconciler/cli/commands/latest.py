"""`reconciler latest`: which version `latest` is."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, session_of
from reconciler.manifests.errors import ReconcilerError


def register(app: typer.Typer) -> None:
    app.command("latest")(latest)


def latest(
    context: typer.Context,
    definition: Annotated[str, typer.Argument(metavar="DEFINITION", help="An image definition: GALLERY/DEFINITION.")],
    region: Annotated[
        str, typer.Option("--region", metavar="REGION", help="Only there: prints the version alone.")
    ] = "",
) -> int:
    """Print which version `latest` is in each region.

    As it was last applied: the greatest version there that is usable and not excluded from latest.

    Exit codes: 0 there is one, 1 there is none.
    """
    from reconciler.views.terminal.lines import line
    from reconciler.views.text.objects import latest_lines

    session = session_of(context)
    wanted = options.parsed_region(region) if region else ""
    with session.engine() as engine:
        found = engine.latest(options.parsed_address(definition))
    if not wanted:
        if not found:
            raise ReconcilerError(f"{definition} has no version that is latest anywhere", "see: reconciler show")
        session.output.lines(latest_lines(found))
        return Exit.DONE
    version = found.get(wanted)
    if version is None:
        places = f"it has one in: {', '.join(sorted(found))}" if found else "see: reconciler show"
        raise ReconcilerError(f"{definition} has no version that is latest in {region}", places)
    session.output.lines([line(version)])
    return Exit.DONE
