"""`reconciler destroy`: deletes everything that is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from reconciler.cli import options
from reconciler.cli.session import session_of

if TYPE_CHECKING:
    from reconciler.applying.context import Interrupt
    from reconciler.cli.applying import Approve
    from reconciler.engine import AppliedPlan, Engine


def register(app: typer.Typer) -> None:
    app.command("destroy")(destroy)


def destroy(
    context: typer.Context,
    auto_approve: options.AutoApprove = False,
    parallelism: options.Parallelism = None,
    target: options.Targets = None,
    exclude: options.Excludes = None,
    json: options.Json = False,
    verbose: options.Verbose = False,
) -> int:
    """Show everything that is recorded, ask, and delete it.

    What is not ours stays, and so does what is protected.

    Exit codes: 0 done, or nothing to do; 1 an error, and not all is done; 3 a provider did not answer; 130 interrupted.
    """
    from reconciler.cli.applying import Manner, run

    wanted = options.plan_options(target, exclude, None, 0, destroy=True)

    def call(engine: Engine, approve: Approve, interrupt: Interrupt) -> AppliedPlan:
        return engine.apply(wanted, approve, interrupt, parallelism=parallelism, command="destroy")

    manner = Manner(auto_approve, json, verbose, question="Delete all of this for good?")
    return run(session_of(context), manner, call)
