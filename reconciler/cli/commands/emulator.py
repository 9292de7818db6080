"""`reconciler emulator`: a local Azure Compute Gallery to try things on."""

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


Port = Annotated[
    int, typer.Option("--port", metavar="N", help="Port to listen on; 0 picks a free one.", min=0, max=65535)
]
Host = Annotated[str, typer.Option("--host", metavar="HOST", help="Address to listen on.")]
Expose = Annotated[
    bool,
    typer.Option(
        "--expose", help="Allow a --host that other machines reach: whoever has its client secret can use it."
    ),
]
Data = Annotated[str, typer.Option("--data", metavar="DIR", help="Folder for its data; created if it does not exist.")]
TimeScale = Annotated[
    float,
    typer.Option(
        "--time-scale",
        metavar="X",
        help="Duration of operations: 1 as on Azure, 0 until first polled.",
        min=0,
    ),
]
ReadyFile = Annotated[
    str,
    typer.Option(
        "--ready-file", metavar="FILE", help="Write connection settings to FILE, as JSON, once it is running."
    ),
]
Faults = Annotated[str, typer.Option("--faults", metavar="FILE", help="Faults to inject from the start: a JSON list.")]
Budgets = Annotated[bool, typer.Option("--budgets", help="Throttle requests as Azure does.")]


ORDER = 120


def register(app: typer.Typer) -> None:
    app.command("emulator")(emulator)


def emulator(
    context: typer.Context,
    port: Port = 0,
    host: Host = _LOOPBACK,
    expose: Expose = False,
    data: Data = ".emulator",
    time_scale: TimeScale = 1.0,
    ready_file: ReadyFile = "",
    faults: Faults = "",
    budgets: Budgets = False,
) -> int:
    """Run an emulator of Azure's Compute Gallery API.

    It runs until interrupted. This program, the Azure SDK for Python and the az command can use it; it prints the
    connection settings. Image sources can be blobs on this machine, or in the storage account that
    AZURE_STORAGE_CONNECTION_STRING belongs to.

    Exit codes: 0 stopped, 1 error.
    """
    _require_libraries()
    _require_loopback(host, expose=expose)
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
    """Raises: ReconcilerError if a library that the emulator needs is not installed."""
    try:
        import reconciler.providers.emulator.server  # noqa: F401
    except ImportError as cause:
        raise ReconcilerError(
            f"the emulator needs a library that is not installed: {cause.name}",
            f"run in reconciler's checkout: {install_extra('emulator')}",
        ) from cause


def _require_loopback(host: str, *, expose: bool) -> None:
    """Raises: ReconcilerError for an address beyond this machine that nobody asked to be exposed."""
    from reconciler.views.text.emulator import is_loopback

    if not (expose or is_loopback(host)):
        raise ReconcilerError(
            f"{host} is not an address of this machine alone: others could reach the emulator and its images",
            "leave --host out, or allow it with --expose",
        )


def _announce(session: Session, host: str, running: RunningEmulator) -> None:
    from reconciler.views.text.emulator import emulator_lines

    session.output.lines(emulator_lines(running, host))
