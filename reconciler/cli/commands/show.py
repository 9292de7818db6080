"""`reconciler show`: what is recorded, or what a saved plan says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, Session, reading_session
from reconciler.views.output_format import DEFAULT

if TYPE_CHECKING:
    from reconciler.planning.saved.plan_file import SavedPlan
    from reconciler.views.output_format import OutputFormat

ORDER = 70


def register(app: typer.Typer) -> None:
    app.command("show")(show)


def show(
    context: typer.Context,
    address: Annotated[
        str, typer.Argument(metavar="[ADDRESS|PLANFILE]", help="An object or a saved plan; without it, an overview.")
    ] = "",
    format_name: options.Format = DEFAULT,
    json: options.Json = False,
    verbose: options.Verbose = False,
) -> int:
    """Show what is recorded, or a saved plan.

    An overview, or everything that is recorded about one object. A saved plan is shown as it was when it was made; for
    that no project, state or key is needed.
    """
    session = reading_session(context, address)
    output_format = options.output_format(format_name, json=json)
    if address and Path(address).is_file():
        return _show_plan(session, Path(address), output_format, verbose=verbose)
    wanted = options.parsed_address(address) if address else None
    output = session.output_for(output_format)
    with session.engine() as engine:
        state = engine.state()
        if wanted:
            output.lines(output_format.record(engine.records.get((wanted,))[0], state.records))
        else:
            output.lines(output_format.overview(state, engine.runs()))
    return Exit.DONE


def _show_plan(session: Session, path: Path, output_format: OutputFormat, *, verbose: bool) -> int:
    """Shows a saved plan, and below it until when it can be applied: on stderr if stdout is a document."""
    from reconciler.planning.saved.plan_file import read_plan
    from reconciler.views.terminal.lines import BLANK, paragraph
    from reconciler.views.text.heading import Heading

    saved = read_plan(path)
    signature = _signature(session, path, saved)
    binding = saved.binding
    providers = {name: destination.type for name, destination in binding.destinations.items()}
    heading = Heading(binding.environment, providers, saved.plan.serial, None)
    output = session.output_for(output_format)
    output.lines(output_format.plan(saved.plan, heading, output.width, verbose=verbose))
    notes = session.output if output_format.interactive else session.errors
    until = f"can be applied until {binding.expires}" if binding.expires else "never expires"
    approvals = f"{len(saved.approvals)} approval{'' if len(saved.approvals) == 1 else 's'}"
    about = f"Saved at {binding.saved}, {until} · {approvals} · plan {saved.digest}"
    notes.lines([BLANK, *paragraph(about, notes.width), *paragraph(signature, notes.width)])
    return Exit.DONE


def _signature(session: Session, path: Path, saved: SavedPlan) -> str:
    """What is known about the plan's signature, which only the state that it was made with can check.

    Raises: BadPlanFile when the plan was altered.
    """
    from reconciler.errors import BadPlanFile
    from reconciler.manifests.errors import ReconcilerError

    unchecked = "Its signature cannot be checked here: "
    try:
        with session.engine() as engine:
            if engine.store.summary().lineage != saved.plan.lineage:
                return f"{unchecked}the state that it was made for, {saved.plan.lineage}, is another one."
            key = engine.store.signing_key()
    except ReconcilerError as error:
        return f"{unchecked}{error.message}"
    if not saved.is_signed_with(key):
        raise BadPlanFile(
            f"{path} was altered after it was written", "make a new plan with: reconciler plan --out FILE"
        )
    return "Its signature is that of this state."
