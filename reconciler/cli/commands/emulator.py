"""`reconciler emulator`: an Azure of one's own to try things on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manifests.errors import ReconcilerError
from reconciler.cli.session import Exit, session_of

if TYPE_CHECKING:
    from providers.emulator.server import RunningEmulator

_LOOPBACK = "127.0.0.1"
_STORAGE = "AZURE_STORAGE_CONNECTION_STRING"


def register(app: typer.Typer) -> None:
    app.command("emulator")(emulator)


def emulator(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", metavar="N", help="0: any free one.", min=0, max=65535)] = 0,
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="The address to listen on.")] = _LOOPBACK,
    data: Annotated[
        str, typer.Option("--data", metavar="DIR", help="Where it keeps everything; made if it does not exist.")
    ] = ".emulator",
    time_scale: Annotated[
        float,
        typer.Option(
            "--time-scale",
            metavar="X",
            help="How long operations take: 1 as on Azure, 0 until they are first asked for.",
            min=0,
        ),
    ] = 1.0,
    ready_file: Annotated[
        str, typer.Option("--ready-file", metavar="FILE", help="Written once it answers: JSON for scripts.")
    ] = "",
    faults: Annotated[
        str, typer.Option("--faults", metavar="FILE", help="Misbehaviour to begin with: a JSON list.")
    ] = "",
    budgets: Annotated[bool, typer.Option("--budgets", help="Refuse requests beyond Azure's budgets.")] = False,
) -> int:
    """Run an emulator of Azure's Compute Gallery API.

    It runs until it is interrupted. Its clients are this tool, the Python SDK and the az command; it prints what they
    need to be told. Blobs on this machine can be sources of images, and those of the storage account in
    AZURE_STORAGE_CONNECTION_STRING.

    Exit codes: 0 it was ended, 1 an error.
    """
    from reconciler.views.emulator_text import emulator_lines

    session = session_of(context)
    try:
        from providers.emulator.server import EmulatorSettings, serve
    except ImportError as cause:
        raise ReconcilerError(
            f"the emulator needs a library that is not installed: {cause.name}", "pip install 'reconciler[emulator]'"
        ) from cause

    settings = EmulatorSettings(
        Path(data),
        host=host,
        port=port,
        time_scale=time_scale,
        faults=Path(faults) if faults else None,
        budgets=budgets,
        storage=os.environ.get(_STORAGE, ""),
    )

    def announce(running: RunningEmulator) -> None:
        session.output.lines(emulator_lines(running, host))

    serve(settings, Path(ready_file) if ready_file else None, announce)
    return Exit.DONE
