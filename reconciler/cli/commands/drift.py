"""`reconciler drift`: what changed outside of this program."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, heading_of, reading_session
from reconciler.views.output_format import DEFAULT

ORDER = 60


def register(app: typer.Typer) -> None:
    app.command("drift")(drift)


def drift(
    context: typer.Context,
    deep: Annotated[bool, typer.Option("--deep", help="Also read every byte and compare digests.")] = False,
    unmanaged: Annotated[bool, typer.Option("--unmanaged", help="Also list unmanaged objects.")] = False,
    format_name: options.Format = DEFAULT,
    json: options.Json = False,
) -> int:
    """Compare the recorded objects with the real ones.

    Read-only; never waits for a lock.

    Exit codes: 0 no drift, 1 error, 2 drift found or operations unsettled, 3 no drift found but not everything could be
    compared: a provider was unreachable, or nothing is recorded of what is declared.
    """
    session = reading_session(context)
    output_format = options.output_format(format_name, json=json)
    with session.waiting() as reporter, session.engine(reporter) as engine:
        report = engine.drift(deep=deep)
        reporter.stop()
        output = session.output_for(output_format)
        heading = heading_of(engine, report.serial)
        output.lines(output_format.drift(report, heading, output.width, unmanaged=unmanaged))
    if report.found:
        return Exit.PENDING
    return Exit.UNREACHABLE if report.inconclusive else Exit.DONE
