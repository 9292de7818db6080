"""`reconciler latest`: which version `latest` is."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, session_of
from reconciler.manifests.errors import ReconcilerError
from reconciler.views.output_format import DEFAULT

ORDER = 90


def register(app: typer.Typer) -> None:
    app.command("latest")(latest)


def latest(
    context: typer.Context,
    definition: Annotated[str, typer.Argument(metavar="DEFINITION", help="An image definition: GALLERY/DEFINITION.")],
    region: Annotated[
        str, typer.Option("--region", metavar="REGION", help="Only this region: print just the version.")
    ] = "",
    format_name: options.Format = DEFAULT,
    json: options.Json = False,
) -> int:
    """Print which version is latest in each region.

    According to the state: the highest usable version there that is not excluded from latest.

    Exit codes: 0 found, 1 none.
    """
    output_format = options.output_format(format_name, json=json)
    session = session_of(context)
    wanted = options.parsed_region(region) if region else ""
    with session.engine() as engine:
        versions = engine.latest(options.parsed_address(definition))
    if not versions:
        raise ReconcilerError(f"{definition} has no latest version in any region", "see: reconciler show")
    if wanted and wanted not in versions:
        raise ReconcilerError(
            f"{definition} has no latest version in {region}", f"it has one in: {', '.join(sorted(versions))}"
        )
    chosen = {wanted: versions[wanted]} if wanted else versions
    session.output_for(output_format).lines(output_format.latest(definition, chosen, alone=bool(wanted)))
    return Exit.DONE
