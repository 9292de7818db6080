"""`reconciler apply`: does what a plan says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import session_of

if TYPE_CHECKING:
    from reconciler.applying.context import Interrupt
    from reconciler.cli.applying import Approve
    from reconciler.engine import AppliedPlan, Engine


def register(app: typer.Typer) -> None:
    app.command("apply")(apply)


def apply(
    context: typer.Context,
    plan_file: Annotated[str, typer.Argument(metavar="[PLANFILE]", help="A saved plan. It is applied unasked.")] = "",
    auto_approve: options.AutoApprove = False,
    parallelism: options.Parallelism = None,
    target: options.Targets = None,
    exclude: options.Excludes = None,
    allow_replace: options.AllowReplace = None,
    allow_deletes: options.AllowDeletes = 0,
    refresh: options.Refresh = "true",
    json: options.Json = False,
    verbose: options.Verbose = False,
) -> int:
    """Show what there is to do, ask, and do it.

    With PLANFILE: do exactly what that plan says, if it still fits, and do not ask.

    Exit codes: 0 done, or nothing to do; 1 an error, and not all is done; 3 a provider did not answer; 130 interrupted.
    """
    from reconciler.cli.applying import Manner, run

    wanted = options.plan_options(target, exclude, allow_replace, allow_deletes)
    look = options.refresh_wanted(refresh)
    if plan_file and (target or exclude or allow_replace or allow_deletes or not look):
        raise typer.BadParameter("a saved plan is applied as it is: options that choose belong to: reconciler plan")

    def fresh(engine: Engine, approve: Approve, interrupt: Interrupt) -> AppliedPlan:
        return engine.apply(wanted, approve, interrupt, parallelism=parallelism, refresh=look)

    def saved(engine: Engine, approve: Approve, interrupt: Interrupt) -> AppliedPlan:
        return engine.apply_saved(Path(plan_file), interrupt, approve=approve, parallelism=parallelism)

    manner = Manner(approved=auto_approve or bool(plan_file), json=json, verbose=verbose)
    return run(session_of(context), manner, saved if plan_file else fresh)
