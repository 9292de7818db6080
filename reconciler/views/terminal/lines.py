"""Lines of text with meaning, and the one layout that all output for people shares.

A span's style names its meaning (`danger`, `add`, `dim`, ...), not its look: only `output` knows colours.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.views.terminal.escaping import line_of_log, printable

_LABEL = 7
_NARROWEST_DETAIL = 28
_GAP = 2


class Span(NamedTuple):
    """A piece of a line. `style` is empty or one of output.STYLES."""

    text: str
    style: str = ""


Line = tuple[Span, ...]
BLANK: Line = ()


def line(*parts: str | Span) -> Line:
    """A Line made of spans and plain text."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def text_of(spans: Line) -> str:
    """The line without styles."""
    return "".join(span.text for span in spans).rstrip()


def shown(spans: Line) -> Line:
    """The line as it may be shown, whoever wrote what is in it; one that would be a command loses its styles."""
    escaped = tuple(Span(printable(span.text), span.style) for span in spans)
    plain = "".join(span.text for span in escaped)
    harmless = line_of_log(plain)
    return escaped if harmless == plain else (Span(harmless),)


def paragraph(text: str, width: int, indent: int = 0, style: str = "") -> Iterator[Line]:
    """`text` wrapped to `width`, every line indented; its own line breaks, LF or CR LF, are kept."""
    room = max(20, width - indent)
    for written in text.replace("\r\n", "\n").rstrip("\n").split("\n") if text else ():
        piece = printable(written.replace("\t", " "))
        hanging = " " * (len(piece) - len(piece.lstrip()))
        wrapped = textwrap.wrap(piece, room, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
        for part in wrapped or [""]:
            yield line(" " * indent, Span(part, style))


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of a row's details; `right` goes to the right of it if there is room, else below it."""

    text: str
    right: str = ""
    style: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """`symbol` and `label` say what happens, in `style`, `subject` to what; `cells` hold the details, one per line."""

    symbol: str
    label: str
    subject: str
    cells: Sequence[Cell] = field(default=())
    style: str = ""


def table(rows: Iterable[Row], width: int) -> Iterator[Line]:
    """The rows with aligned columns, in at most `width` columns unless a single word is longer."""
    shown = list(rows)
    mark = len(" ! ") + max([_LABEL, *(len(row.label) for row in shown)]) + _GAP
    room = width - mark
    subjects = max((len(row.subject) for row in shown), default=0)
    if room - min(subjects, room) - _GAP < _NARROWEST_DETAIL:
        yield from _stacked(shown, width, mark)
        return
    indent = mark + subjects + _GAP
    cells = [cell for row in shown for cell in row.cells]
    rights = max((len(cell.right) for cell in cells), default=0)
    limit = width - indent - (rights + _GAP if rights else 0)
    column = min(max((len(cell.text) for cell in cells if cell.right), default=0), max(limit, 0))
    for row in shown:
        details = [part for cell in row.cells for part in _cell_lines(cell, width - indent, column)]
        head = (_mark(row, mark), Span(row.subject.ljust(subjects), "subject"), Span(" " * _GAP))
        yield (*head, *details[0]) if details else head
        for part in details[1:]:
            yield (Span(" " * indent), *part)


def _stacked(rows: Iterable[Row], width: int, mark: int) -> Iterator[Line]:
    """For narrow terminals: details below their subject."""
    for row in rows:
        yield (_mark(row, mark), Span(row.subject, "subject"))
        for cell in row.cells:
            for part in _cell_lines(cell, width - 4, 0):
                yield (Span(" " * 4), *part)


def _mark(row: Row, width: int) -> Span:
    return Span(f" {row.symbol} {row.label}".ljust(width), row.style)


def _cell_lines(cell: Cell, room: int, column: int) -> Iterator[Line]:
    """A detail with its right part beside it, in its column if possible, else below it."""
    right = Span(cell.right, "dim")
    if cell.right and len(cell.text) <= column and column + _GAP + len(cell.right) <= room:
        yield line(Span(cell.text.ljust(column + _GAP), cell.style), right)
    elif cell.right and len(cell.text) + _GAP + len(cell.right) <= room:
        yield line(Span(cell.text, cell.style), " " * _GAP, right)
    else:
        yield from paragraph(cell.text, room, style=cell.style)
        if cell.right:
            yield line("  ", right)
