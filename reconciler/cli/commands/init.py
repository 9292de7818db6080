"""`reconciler init`: writes a project that plans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.session import Exit, session_of


def register(app: typer.Typer) -> None:
    app.command("init")(init)


def init(
    context: typer.Context,
    directory: Annotated[str, typer.Argument(metavar="[DIR]", help="Where; made if it does not exist.")] = ".",
    provider: Annotated[str, typer.Option("--provider", metavar="TYPE", help="The backend: local.")] = "local",
) -> int:
    """Write a small project that plans at once.

    Project file, manifests and an image that boots; no file is overwritten. Exit codes: 0 done, 1 an error.
    """
    from reconciler.cli.starter import write_project
    from reconciler.views.terminal.lines import BLANK, line

    session = session_of(context)
    written = write_project(Path(directory), provider)
    inside = "" if directory == "." else f"cd {directory} && "
    session.output.lines(
        [*(line(f"wrote {path}") for path in written), BLANK, line(f"Go on with: {inside}reconciler plan")]
    )
    return Exit.DONE
