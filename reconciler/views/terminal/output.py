"""Where lines go: coloured by rich on a terminal, plain text everywhere else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from reconciler.views.terminal.lines import Line

STYLES = {
    "danger": "bold red",
    "remove": "red",
    "add": "green",
    "change": "yellow",
    "note": "cyan",
    "subject": "bold",
    "dim": "dim",
    "good": "green",
}
_WIDTH_ELSEWHERE = 120


def write(stream: TextIO, text: str) -> None:
    """Writes and flushes. If the reader has left, this and all later output is discarded, and the command continues."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def write_document(stream: TextIO, text: str) -> None:
    """Writes several lines, each escaped."""
    from reconciler.views.terminal.escaping import lines_of_log

    write(stream, lines_of_log(text))


class Output:
    """A stream. `color` allows colours; they are used only on a terminal."""

    def __init__(self, stream: TextIO, *, color: bool = True) -> None:
        self.stream = stream
        self.terminal = stream.isatty()
        self._color = color
        self._console: Console | None = None

    @property
    def width(self) -> int:
        """In columns: COLUMNS, else the terminal's width, else enough for a log."""
        return max(20, shutil.get_terminal_size((_WIDTH_ELSEWHERE, 24)).columns)

    @property
    def console(self) -> Console:
        """The rich console on this stream, for progress bars."""
        from rich.console import Console

        if self._console is None:
            self._console = Console(file=self.stream, no_color=not self._color, highlight=False, markup=False)
        return self._console

    def lines(self, lines: Iterable[Line]) -> None:
        """Writes the lines, each escaped and with a line break, and flushes."""
        from reconciler.views.terminal.lines import shown, text_of

        lines = map(shown, lines)
        if self.terminal and (self._color or self._console):
            self._rich(lines)
        else:
            write(self.stream, "".join(f"{text_of(spans)}\n" for spans in lines))

    def _rich(self, lines: Iterable[Line]) -> None:
        from rich.text import Text

        for spans in lines:
            text = Text.assemble(*((span.text, STYLES.get(span.style, "")) for span in spans))
            text.rstrip()
            self.console.print(text, soft_wrap=True)
