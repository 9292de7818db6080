"""`reconciler init`: creates a starter project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.session import Exit, session_of

ORDER = 10


def register(app: typer.Typer) -> None:
    app.command("init")(init)


def init(
    context: typer.Context,
    directory: Annotated[
        str, typer.Argument(metavar="[DIR]", help="Project folder; created if it does not exist.")
    ] = ".",
    provider: Annotated[
        str, typer.Option("--provider", metavar="TYPE", help="Provider of the project: local.")
    ] = "local",
) -> int:
    """Create a small starter project.

    Writes a project file, manifests and a bootable image. Existing files are never overwritten.

    Exit codes: 0 success, 1 error.
    """
    from reconciler.cli.starter import write_project
    from reconciler.views.terminal.lines import BLANK, line

    session = session_of(context)
    written = write_project(Path(directory), provider)
    inside = "" if directory == "." else f"cd {directory} && "
    session.output.lines([*(line(f"wrote {path}") for path in written), BLANK, line(f"Next: {inside}reconciler plan")])
    return Exit.DONE
