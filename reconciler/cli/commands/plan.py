"""`reconciler plan`: the changes that apply would make; `plan approve`: a person's consent to a saved plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, Session, heading_of, reading_session, session_of
from reconciler.views.output_format import DEFAULT

if TYPE_CHECKING:
    from datetime import timedelta

    from reconciler.engine import Engine
    from reconciler.planning.plan import Plan
    from reconciler.views.output_format import OutputFormat


ORDER = 30


def register(app: typer.Typer) -> None:
    group = typer.Typer(invoke_without_command=True, subcommand_metavar="[COMMAND]")
    group.callback()(plan)
    group.command("approve")(approve)
    app.add_typer(group, name="plan")


def plan(
    context: typer.Context,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Save the plan for: reconciler apply FILE")] = "",
    expires: Annotated[
        str,
        typer.Option("--expires", metavar="TIME", help="With --out: how long it can be applied: 12h, 7d, or never."),
    ] = "7d",
    target: options.Targets = None,
    exclude: options.Excludes = None,
    allow_replace: options.AllowReplace = None,
    allow_loss: options.AllowLoss = None,
    allow_deletes: options.AllowDeletes = 0,
    refresh: options.Refresh = "true",
    untrusted: Annotated[
        bool,
        typer.Option(
            "--untrusted",
            help="The project is a stranger's: look only at what is in its folder. No credentials are needed or used.",
        ),
    ] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when changes are pending.")
    ] = False,
    format_name: options.Format = DEFAULT,
    json: options.Json = False,
    verbose: options.Verbose = False,
) -> int:
    """Show the changes that apply would make.

    Exit codes: 0 success (with --detailed-exitcode: nothing to do), 1 error or blocked change, 2 changes pending
    (--detailed-exitcode), 3 provider unreachable.
    """
    if context.invoked_subcommand:
        return Exit.DONE
    if untrusted:
        _refuse_with_untrusted(context)
    session, lasts = reading_session(context, out), options.duration(expires)
    wanted = options.plan_options(target, exclude, allow_replace, allow_deletes, allow_loss)
    refresh_first = options.refresh_wanted(refresh)
    output_format = options.output_format(format_name, json=json)
    with session.waiting() as reporter, session.engine(reporter, untrusted=untrusted) as engine:
        planned = engine.plan(wanted, refresh=refresh_first)
        reporter.stop()
        output = session.output_for(output_format)
        heading = heading_of(engine, planned.serial, galleries=bool(planned.changes))
        output.lines(output_format.plan(planned, heading, output.width, verbose=verbose))
        if out:
            _save(planned, engine, session, out, lasts, output_format)
    return _code(planned, detailed=detailed_exitcode)


def _refuse_with_untrusted(context: typer.Context) -> None:
    """Raises: typer.BadParameter for what needs a plan that can be applied, or the providers."""
    for name in ("out", "refresh", "expires"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(
                f"--{name} and --untrusted contradict each other: nothing is asked of providers, or saved to be applied"
            )


def approve(
    context: typer.Context,
    plan_file: Annotated[str, typer.Argument(metavar="PLANFILE", help="A saved plan.")],
    key: Annotated[
        str, typer.Option("--key", metavar="FILE", help="An SSH key; of an agent or token, the public one.")
    ] = "",
) -> int:
    """Sign a saved plan with your own SSH key.

    Look at it first: reconciler show PLANFILE. The signature is made by ssh-keygen, and added to the file. It is
    checked by: reconciler apply PLANFILE --require-approval KEYS
    """
    from reconciler.planning.saved import approvals
    from reconciler.planning.saved.plan_file import add_approval, read_plan
    from reconciler.views.terminal.lines import paragraph

    session, path = session_of(context), Path(plan_file)
    saved = read_plan(path)
    used = Path(key) if key else approvals.default_key(Path.home())
    add_approval(path, saved, approvals.approve(saved, used))
    output = session.output
    output.lines(paragraph(f"Approved {plan_file} with {used}: plan {saved.digest}", output.width))
    return Exit.DONE


def _save(
    planned: Plan, engine: Engine, session: Session, out: str, lasts: timedelta | None, output_format: OutputFormat
) -> None:
    """Saves a plan that can be applied, and no other. Says so on stderr if stdout is a document."""
    from reconciler.manifests.words import for_shell
    from reconciler.views.terminal.lines import BLANK, paragraph

    output = session.output if output_format.interactive else session.errors
    if not planned.applicable:
        output.lines(
            [BLANK, *paragraph(f"Not saved to {out}: a plan with errors or blocks cannot be applied.", output.width)]
        )
        return
    engine.save_plan(planned, Path(out), lasts=lasts)
    saved = f"Saved. Apply exactly this with: reconciler apply {for_shell(out)}"
    output.lines([BLANK, *paragraph(saved, output.width)])


def _code(planned: Plan, *, detailed: bool) -> Exit:
    if planned.unreachable:
        return Exit.UNREACHABLE
    if not planned.applicable:
        return Exit.ERROR
    return Exit.PENDING if detailed and planned.changes else Exit.DONE
