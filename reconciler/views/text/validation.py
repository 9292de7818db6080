"""Whether the manifests are valid, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.views.terminal.lines import BLANK, Line, Span, line
from reconciler.views.terminal.units import plural
from reconciler.views.text.diagnostics import diagnostics_lines, summary_of_problems

if TYPE_CHECKING:
    from reconciler.views.validation import Validation


def validation_lines(validation: Validation, width: int) -> Iterator[Line]:
    """Every problem with its place, and one line: how many there are, or what is declared."""
    if validation.diagnostics:
        yield from diagnostics_lines(validation.diagnostics, width)
        yield BLANK
    if validation.valid:
        yield line(Span("Valid", "good"), f": {declared_text(validation)}")
    else:
        yield line(summary_of_problems(validation.diagnostics))


def declared_text(validation: Validation) -> str:
    """`1 gallery, 2 image definitions, 3 image versions, 9 target regions, in 3 files`."""
    kinds = ", ".join(plural(number, kind) for kind, number in validation.counts.items())
    return f"{kinds}, in {plural(validation.files, 'file')}"
