"""`reconciler latest`: which version `latest` is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, Session, reading_session
from reconciler.manifests.errors import ReconcilerError
from reconciler.views.output_format import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.manifests.address import Address

ORDER = 90


def register(app: typer.Typer) -> None:
    app.command("latest")(latest)


def latest(
    context: typer.Context,
    definition: Annotated[str, typer.Argument(metavar="DEFINITION", help="An image definition: GALLERY/DEFINITION.")],
    region: Annotated[
        str, typer.Option("--region", metavar="REGION", help="Only this region: print just the version.")
    ] = "",
    live: Annotated[
        bool, typer.Option("--live", help="Ask the provider, where others may have published as well.")
    ] = False,
    format_name: options.Format = DEFAULT,
    json: options.Json = False,
) -> int:
    """Print which version is latest in each region.

    According to the state: the highest usable version there that is not excluded from latest. With --live, according to
    the provider: versions that are not managed here count as well, and are marked.

    Exit codes: 0 found, 1 none, 3 a region could not be asked (--live).
    """
    output_format = options.output_format(format_name, json=json)
    session = reading_session(context)
    wanted = options.parsed_region(region) if region else ""
    address = options.parsed_address(definition)
    with session.waiting() as reporter, session.engine(reporter) as engine:
        found = engine.live_latest(address) if live else None
        versions = found.versions if found else engine.latest(address)
        reporter.stop()
    unknown = [(at, why) for at, why in (found.unreachable if found else ()) if not wanted or at.region in ("", wanted)]
    if unknown:
        _show_unknown(session, unknown)
    elif not versions:
        raise ReconcilerError(f"{definition} has no latest version in any region", "see: reconciler show")
    elif wanted and wanted not in versions:
        raise ReconcilerError(
            f"{definition} has no latest version in {region}", f"it has one in: {', '.join(sorted(versions))}"
        )
    chosen = {at: number for at, number in versions.items() if not wanted or at == wanted}
    foreign = found.foreign if found else frozenset()
    output = session.output_for(output_format)
    output.lines(output_format.latest(definition, chosen, alone=bool(wanted), foreign=foreign))
    return Exit.UNREACHABLE if unknown else Exit.DONE


def _show_unknown(session: Session, unknown: Sequence[tuple[Address, str]]) -> None:
    from reconciler.views.terminal.lines import table
    from reconciler.views.text.plan_rows import unknown_rows

    session.errors.lines(table(list(unknown_rows(unknown)), session.errors.width))
