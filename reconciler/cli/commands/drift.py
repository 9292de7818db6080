"""`reconciler drift`: what is not as it was left."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, Session, heading_of, session_of

if TYPE_CHECKING:
    from reconciler.drift import DriftReport
    from reconciler.engine import Engine


def register(app: typer.Typer) -> None:
    app.command("drift")(drift)


def drift(
    context: typer.Context,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte again and compare digests.")] = False,
    unmanaged: Annotated[bool, typer.Option("--unmanaged", help="List what is there and nobody manages.")] = False,
    json: options.Json = False,
) -> int:
    """Compare what is recorded with what is there.

    Only reads, and waits for nobody.

    Exit codes: 0 all is as recorded, 1 an error, 2 drift was found, 3 a provider did not answer.
    """
    session = session_of(context)
    with session.waiting() as reporter, session.engine(reporter) as engine:
        report = engine.drift(deep=deep)
        reporter.stop()
        _show(report, engine, session, json=json, unmanaged=unmanaged)
    if report.found:
        return Exit.PENDING
    return Exit.UNREACHABLE if report.unreachable else Exit.DONE


def _show(report: DriftReport, engine: Engine, session: Session, *, json: bool, unmanaged: bool) -> None:
    if json:
        from reconciler.views.formats.json_lines import drift_event, write_event

        write_event(sys.stdout, drift_event(report, engine.project.environment))
        return
    from reconciler.views.text.drift import drift_lines

    output = session.output
    heading = heading_of(engine, report.serial)
    output.lines(drift_lines(report, heading, output.width, unmanaged=unmanaged))
