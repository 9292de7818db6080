"""Problems and errors as paragraphs: what, where, why, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.manifests.diagnostics import Diagnostic, Position, Severity
from reconciler.manifests.errors import ManifestError, ReconcilerError
from reconciler.views.terminal.lines import BLANK, Line, Span, line, paragraph

_INDENT = 4


def error_lines(error: ReconcilerError, width: int) -> Iterator[Line]:
    """An error that ended a command, and what to do about it; of invalid manifests, every problem."""
    if isinstance(error, ManifestError):
        yield from diagnostics_lines(error.diagnostics, width)
        yield BLANK
        yield line(summary_of_problems(error.diagnostics))
        return
    first, *rest = paragraph(f"error: {error.message}", width)
    yield line(Span("error:", "danger"), first[1].text.removeprefix("error:"))
    yield from rest
    yield from remedy_lines(error.remedy, width)


def remedy_lines(remedy: str, width: int, indent: int = 2) -> Iterator[Line]:
    """What to do about an error; nothing if that is not known."""
    yield from paragraph(remedy, width, indent)


def diagnostics_lines(diagnostics: Iterable[Diagnostic], width: int) -> Iterator[Line]:
    """Every problem with its place, the offending line, and a caret below the column if it is known."""
    for number, diagnostic in enumerate(diagnostics):
        if number:
            yield BLANK
        yield from diagnostic_lines(diagnostic, width)


def diagnostic_lines(diagnostic: Diagnostic, width: int) -> Iterator[Line]:
    """One problem: what, where, the offending line, why and what to do."""
    wrong = diagnostic.severity is Severity.ERROR
    where = " ".join(str(part) for part in (diagnostic.position, diagnostic.address) if part)
    summary = paragraph(f"{diagnostic.severity}: {diagnostic.summary}", width)
    first = next(summary)
    head = Span(f"{diagnostic.severity}:", "danger" if wrong else "change")
    yield line(head, first[1].text.removeprefix(head.text))
    yield from summary
    if where:
        yield line("  at ", Span(where, "note"))
    if diagnostic.line.strip():
        yield from _excerpt(diagnostic.line, diagnostic.position, width)
    yield from paragraph(diagnostic.detail, width, _INDENT)


def _excerpt(written: str, position: Position | None, width: int) -> Iterator[Line]:
    """The offending line without its indentation, cut to the width around the column, and a caret."""
    text = written.rstrip().expandtabs(1)
    shown = text.lstrip()
    at = (position.column - 1 if position and position.column else -1) - (len(text) - len(shown))
    room = max(20, width - _INDENT - 2)
    start = max(0, at - room // 2) if at >= room else 0
    yield line(" " * _INDENT, Span("| ", "dim"), shown[start : start + room])
    if 0 <= at <= len(shown):
        yield line(" " * _INDENT, Span("| ", "dim"), " " * (at - start), Span("^", "danger"))


def summary_of_problems(diagnostics: Iterable[Diagnostic]) -> str:
    """`3 errors, 1 warning`."""
    from reconciler.views.terminal.units import plural

    severities = [diagnostic.severity for diagnostic in diagnostics]
    counts = [(severity, severities.count(severity)) for severity in Severity]
    return ", ".join(plural(number, severity.value) for severity, number in counts if number)
