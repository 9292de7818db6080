"""`reconciler plan`: what there is to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, Session, heading_of, session_of

if TYPE_CHECKING:
    from reconciler.engine import Engine
    from reconciler.planning.plan import Plan


def register(app: typer.Typer) -> None:
    app.command("plan")(plan)


def plan(
    context: typer.Context,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Save the plan, for: reconciler apply FILE")] = "",
    target: options.Targets = None,
    exclude: options.Excludes = None,
    allow_replace: options.AllowReplace = None,
    allow_deletes: options.AllowDeletes = 0,
    refresh: options.Refresh = "true",
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when changes are pending.")
    ] = False,
    json: options.Json = False,
    verbose: options.Verbose = False,
) -> int:
    """Show what there is to do, and change nothing.

    Exit codes: 0 done (with --detailed-exitcode: nothing to do), 1 an error or something blocked, 2 changes are
    pending (--detailed-exitcode), 3 a provider did not answer.
    """
    session = session_of(context)
    wanted = options.plan_options(target, exclude, allow_replace, allow_deletes)
    look = options.refresh_wanted(refresh)
    with session.waiting() as reporter, session.engine(reporter) as engine:
        made = engine.plan(wanted, refresh=look)
        reporter.stop()
        _show(made, engine, session, json=json, verbose=verbose)
        if out:
            _save(made, engine, session, out, json=json)
    return _code(made, detailed=detailed_exitcode)


def _show(made: Plan, engine: Engine, session: Session, *, json: bool, verbose: bool) -> None:
    if json:
        from reconciler.views.formats.json_lines import plan_event, write_event

        write_event(sys.stdout, plan_event(made, engine.project.environment))
        return
    from reconciler.views.text.plan import plan_lines

    heading = heading_of(engine, made.serial, galleries=bool(made.changes))
    output = session.output
    output.lines(plan_lines(made, heading, output.width, verbose=verbose))


def _save(made: Plan, engine: Engine, session: Session, out: str, *, json: bool) -> None:
    """Saves what can be applied. A plan that cannot is not worth keeping."""
    from reconciler.views.terminal.lines import BLANK, paragraph

    output = session.errors if json else session.output
    if not made.applicable:
        output.lines(
            [BLANK, *paragraph(f"Not saved to {out}: a plan with errors or blocks cannot be applied.", output.width)]
        )
        return
    engine.save_plan(made, Path(out))
    output.lines([BLANK, *paragraph(f"Saved. Apply exactly this with: reconciler apply {out}", output.width)])


def _code(made: Plan, *, detailed: bool) -> Exit:
    if made.unreachable:
        return Exit.UNREACHABLE
    if not made.applicable:
        return Exit.ERROR
    return Exit.PENDING if detailed and made.changes else Exit.DONE
