"""`reconciler apply`: carries out a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import session_of
from reconciler.views.output_format import DEFAULT

if TYPE_CHECKING:
    from reconciler.applying.context import Interrupt
    from reconciler.cli.applying import Approve
    from reconciler.engine import AppliedPlan, Engine


ORDER = 40


def register(app: typer.Typer) -> None:
    app.command("apply")(apply)


def apply(
    context: typer.Context,
    plan_file: Annotated[str, typer.Argument(metavar="[PLANFILE]", help="A saved plan. Applied without asking.")] = "",
    auto_approve: options.AutoApprove = False,
    parallelism: options.Parallelism = None,
    lock_timeout: options.LockTimeout = 0.0,
    target: options.Targets = None,
    exclude: options.Excludes = None,
    allow_replace: options.AllowReplace = None,
    allow_loss: options.AllowLoss = None,
    allow_deletes: options.AllowDeletes = 0,
    refresh: options.Refresh = "true",
    require_approval: Annotated[
        str,
        typer.Option("--require-approval", metavar="KEYS", help="With PLANFILE: who may approve, as allowed signers."),
    ] = "",
    format_name: options.Format = DEFAULT,
    json: options.JsonEvents = False,
    verbose: options.Verbose = False,
) -> int:
    """Plan, ask for approval, apply.

    With PLANFILE: apply exactly that plan, unless it is stale, without asking; or what an interrupted run left of it.

    Exit codes: 0 success, or nothing to do; 1 failed or incomplete; 3 provider unreachable; 130 interrupted.
    """
    from reconciler.cli.applying import Manner, run

    wanted = options.plan_options(target, exclude, allow_replace, allow_deletes, allow_loss)
    refresh_first = options.refresh_wanted(refresh)
    if plan_file and (target or exclude or allow_replace or allow_loss or allow_deletes or not refresh_first):
        raise typer.BadParameter("a saved plan is applied as it is: these options belong to: reconciler plan")

    if require_approval and not plan_file:
        raise typer.BadParameter("only a saved plan can be approved: reconciler apply PLANFILE --require-approval KEYS")

    def fresh(engine: Engine, approve: Approve, interrupt: Interrupt) -> AppliedPlan:
        engine.lock_timeout_s = lock_timeout
        return engine.apply(
            wanted, approve, interrupt, parallelism=parallelism, refresh=refresh_first, bind_sources=not auto_approve
        )

    def saved(engine: Engine, approve: Approve, interrupt: Interrupt) -> AppliedPlan:
        engine.lock_timeout_s = lock_timeout
        approvers = Path(require_approval) if require_approval else None
        return engine.apply_saved(
            Path(plan_file), interrupt, approve=approve, approvers=approvers, parallelism=parallelism
        )

    output_format = options.output_format(format_name, json=json)
    manner = Manner(approved=auto_approve or bool(plan_file), format=output_format, verbose=verbose)
    return run(session_of(context), manner, saved if plan_file else fresh)
