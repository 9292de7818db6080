"""`reconciler destroy`: deletes everything recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from reconciler.cli import options
from reconciler.cli.session import session_of
from reconciler.views.output_format import DEFAULT

if TYPE_CHECKING:
    from reconciler.applying.context import Interrupt
    from reconciler.cli.applying import Approve
    from reconciler.engine import AppliedPlan, Engine


ORDER = 50


def register(app: typer.Typer) -> None:
    app.command("destroy")(destroy)


def destroy(
    context: typer.Context,
    auto_approve: options.AutoApprove = False,
    parallelism: options.Parallelism = None,
    lock_timeout: options.LockTimeout = 0.0,
    target: options.Targets = None,
    exclude: options.Excludes = None,
    allow_deletes: options.AllowDeletes = 0,
    format_name: options.Format = DEFAULT,
    json: options.JsonEvents = False,
    verbose: options.Verbose = False,
) -> int:
    """Show everything recorded, ask for approval, delete it.

    Protected objects and objects we do not own are kept.

    Exit codes: 0 success, or nothing to do; 1 failed or incomplete; 3 provider unreachable; 130 interrupted.
    """
    from reconciler.cli.applying import Manner, run

    wanted = options.plan_options(target, exclude, None, allow_deletes, destroy=True)

    def call(engine: Engine, approve: Approve, interrupt: Interrupt) -> AppliedPlan:
        engine.lock_timeout_s = lock_timeout
        return engine.apply(wanted, approve, interrupt, parallelism=parallelism, command="destroy")

    output_format = options.output_format(format_name, json=json)
    manner = Manner(auto_approve, output_format, verbose, question="Permanently delete these objects?")
    return run(session_of(context), manner, call)
