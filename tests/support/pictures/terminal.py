"""docs/images/plan.svg: the quickstart's plan on a terminal, recorded from the program as it is.

`python -m support.pictures.terminal` writes it; `make docs` does so too.
"""

from __future__ import annotations

import html
import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text
from support.console import scratch_project
from support.paths import ROOT

PICTURE = ROOT / "docs/images/plan.svg"
COMMAND = "reconciler plan"
_COLUMNS = 88
_WEB_FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def terminal_output(command: str, folder: Path) -> str:
    """What a command prints in `folder` on a terminal with colours, escape sequences included."""
    reading, writing = pty.openpty()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    settings = {"PATH": path, "TERM": "xterm-256color", "COLUMNS": str(_COLUMNS), "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(command.split(), cwd=folder, env=settings, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        output = b"".join(iter(lambda: _read(reading), b""))
        errors = process.communicate()[1]
    os.close(reading)
    if process.returncode:
        raise RuntimeError(errors.decode())
    return output.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    """The next bytes; none when the last writer has closed the terminal, which Linux reports as an error."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""


def picture(command: str, output: str) -> str:
    """A terminal window as SVG: the command at a prompt, and what it printed. It loads nothing from elsewhere."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text.assemble(("$ ", "dim"), (command, "bold")))
    console.print(Text.from_ansi(output.rstrip("\n")), soft_wrap=True)
    return _WEB_FONTS.sub("", console.export_svg(title=command, unique_id="terminal"))


def visible_text(svg: str) -> list[str]:
    """The pieces of text in a picture, from top to bottom."""
    return [html.unescape(piece).replace("\xa0", " ") for piece in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


def plan_picture() -> str:
    """The picture as it should be now."""
    with tempfile.TemporaryDirectory() as folder:
        return picture(COMMAND, terminal_output(COMMAND, scratch_project(Path(folder))))


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(plan_picture(), "utf-8")
