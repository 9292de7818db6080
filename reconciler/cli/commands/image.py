"""`reconciler image`: what is known of image files."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from reconciler.cli.session import Exit, session_of

ORDER = 105
_FORMATS = ("text", "json")


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Look at image files before they are published.", no_args_is_help=True)
    group.command("inspect")(inspect)
    app.add_typer(group, name="image", rich_help_panel=None)


def inspect(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A disk image, compressed or not, an OVA or an OVF.")],
    machine: Annotated[str, typer.Option("--machine", metavar="NAME", help="Which machine of an archive.")] = "",
    digest: Annotated[bool, typer.Option("--digest", help="Read all of it and show its digests.")] = False,
    format_name: Annotated[str, typer.Option("--format", metavar="|".join(_FORMATS), help="Output format.")] = "text",
) -> int:
    """Show what an image is and what is on its disk.

    Also what each provider does with it. It needs no project, and starts nothing but an empty jail, to see what this
    kernel has. A compressed image is unpacked into a temporary file.

    Exit codes: 0 inspected, 1 not a usable image.
    """
    if format_name not in _FORMATS:
        raise typer.BadParameter(f"--format takes one of {', '.join(_FORMATS)}, not '{format_name}'")
    _guard(file)
    from reconciler.image_inspection.inspecting import inspect_image

    inspection = inspect_image(file, machine, digest=digest)
    if format_name == "json":
        from reconciler.views.inspection.json import inspection_json
        from reconciler.views.terminal.output import write_document

        write_document(sys.stdout, json.dumps(inspection_json(inspection), indent=2, ensure_ascii=True) + "\n")
    else:
        from reconciler.views.inspection.text import inspection_lines

        output = session_of(context).output
        output.lines(inspection_lines(inspection, output.width))
    return Exit.ERROR if inspection.refusal else Exit.DONE


def _guard(file: str) -> None:
    """From here on this process reads the file's folder, and writes only temporary files."""
    import os
    import tempfile
    from pathlib import Path

    from reconciler.cli.guarding import guard_process
    from reconciler.manifests.trust import Trust

    real = Path(os.path.realpath(file))
    guard_process(real.parent, Trust(directories=(real,)), (tempfile.gettempdir(),))
