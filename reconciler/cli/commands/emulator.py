"""`reconciler emulator`: an Azure of one's own to try things on."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.session import Exit, Session, session_of
from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.installation import install_extra

if TYPE_CHECKING:
    from reconciler.providers.emulator.server import RunningEmulator

_LOOPBACK = "127.0.0.1"
_STORAGE = "AZURE_STORAGE_CONNECTION_STRING"


Port = Annotated[int, typer.Option("--port", metavar="N", help="0: any free one.", min=0, max=65535)]
Host = Annotated[str, typer.Option("--host", metavar="HOST", help="The address to listen on.")]
Data = Annotated[
    str, typer.Option("--data", metavar="DIR", help="Where it keeps everything; made if it does not exist.")
]
TimeScale = Annotated[
    float,
    typer.Option(
        "--time-scale",
        metavar="X",
        help="How long operations take: 1 as on Azure, 0 until they are first asked for.",
        min=0,
    ),
]
ReadyFile = Annotated[
    str, typer.Option("--ready-file", metavar="FILE", help="Written once it answers: JSON for scripts.")
]
Faults = Annotated[str, typer.Option("--faults", metavar="FILE", help="Misbehaviour to begin with: a JSON list.")]
Budgets = Annotated[bool, typer.Option("--budgets", help="Refuse requests beyond Azure's budgets.")]


def register(app: typer.Typer) -> None:
    app.command("emulator")(emulator)


def emulator(
    context: typer.Context,
    port: Port = 0,
    host: Host = _LOOPBACK,
    data: Data = ".emulator",
    time_scale: TimeScale = 1.0,
    ready_file: ReadyFile = "",
    faults: Faults = "",
    budgets: Budgets = False,
) -> int:
    """Run an emulator of Azure's Compute Gallery API.

    It runs until it is interrupted. Its clients are this tool, the Python SDK and the az command; it prints what they
    need to be told. Blobs on this machine can be sources of images, and those of the storage account in
    AZURE_STORAGE_CONNECTION_STRING.

    Exit codes: 0 it was ended, 1 an error.
    """
    _require_libraries()
    from reconciler.providers.emulator.server import EmulatorSettings, serve

    settings = EmulatorSettings(
        Path(data),
        host=host,
        port=port,
        time_scale=time_scale,
        faults=Path(faults) if faults else None,
        budgets=budgets,
        storage=os.environ.get(_STORAGE, ""),
    )
    serve(settings, Path(ready_file) if ready_file else None, partial(_announce, session_of(context), host))
    return Exit.DONE


def _require_libraries() -> None:
    """Raises: ReconcilerError when the emulator was not installed with what it needs."""
    try:
        import reconciler.providers.emulator.server  # noqa: F401
    except ImportError as cause:
        raise ReconcilerError(
            f"the emulator needs a library that is not installed: {cause.name}",
            f"install it, in reconciler's checkout: {install_extra('emulator')}",
        ) from cause


def _announce(session: Session, host: str, running: RunningEmulator) -> None:
    from reconciler.views.text.emulator import emulator_lines

    session.output.lines(emulator_lines(running, host))
