"""A drift report for people: what differs from the state, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.drift import Drift, DriftKind, DriftReport
from reconciler.views.terminal.lines import BLANK, Cell, Line, Row, line, paragraph, table
from reconciler.views.terminal.units import plural
from reconciler.views.text.attribute_changes import change_text
from reconciler.views.text.heading import Heading, heading_line
from reconciler.views.text.plan_rows import unknown_rows

_SHOWN = {
    DriftKind.FOREIGN: ("!", "danger"),
    DriftKind.MISSING: ("-", "remove"),
    DriftKind.DAMAGED: ("!", "danger"),
    DriftKind.CHANGED: ("~", "change"),
}
"""Kind -> symbol and style, in the order in which they are shown."""
_FOREIGN_REMEDY = "move that object away, or drop the record with: reconciler state forget"


def drift_lines(report: DriftReport, heading: Heading, width: int, *, unmanaged: bool = False) -> Iterator[Line]:
    """Every drift, and one line of counts. `unmanaged`: also list unmanaged objects."""
    yield heading_line(heading)
    yield BLANK
    rows = [*drift_rows(report), *(unmanaged_rows(report) if unmanaged else [])]
    if rows:
        yield from table(rows, width)
        yield BLANK
    yield line(" ", " · ".join(drift_counts(report, unmanaged=unmanaged)))
    if report.drifts:
        yield BLANK
        yield from paragraph(drift_remedy(report.drifts), width, 1)


def drift_rows(report: DriftReport) -> list[Row]:
    """The rows of a report: what is unknown, then the drifts, the most severe kind first."""
    drifts = (row for kind in _SHOWN for row in _rows(report.drifts, kind))
    return [*unknown_rows(report.unreachable), *drifts]


def unmanaged_rows(report: DriftReport) -> list[Row]:
    """A row for each unmanaged object."""
    return [Row("·", "unmanaged", str(drift.address), [Cell(drift.object_id)], "dim") for drift in report.unmanaged]


def _rows(drifts: Sequence[Drift], kind: DriftKind) -> Iterator[Row]:
    symbol, style = _SHOWN[kind]
    for drift in drifts:
        if drift.kind is kind:
            yield Row(symbol, kind.value, str(drift.address), list(_cells(drift)), style)


def _cells(drift: Drift) -> Iterator[Cell]:
    sentences = {
        DriftKind.MISSING: ["it no longer exists"],
        DriftKind.FOREIGN: ["an object that is not ours has its name", *drift.defects],
    }.get(drift.kind, list(drift.defects))
    for text in sentences:
        yield Cell(text)
    for change in drift.changes:
        yield Cell(f"{change.path}  {change_text(change)}")
    if drift.object_id:
        yield Cell(drift.object_id, style="dim")
    if drift.kind is DriftKind.FOREIGN:
        yield Cell(f"{_FOREIGN_REMEDY} {drift.address}", style="note")


def drift_counts(report: DriftReport, *, unmanaged: bool) -> Iterator[str]:
    """`4 drifted (3 critical)`, `15 unchanged`: how many of each."""
    if report.drifts:
        critical = f" ({report.critical:,} critical)" if report.critical else ""
        yield f"{len(report.drifts):,} drifted{critical}"
    yield f"{report.checked - len(report.drifts) - len(report.ignored):,} unchanged"
    if report.unreachable:
        yield f"{len(report.unreachable):,} unknown"
    if report.ignored:
        yield f"{len(report.ignored):,} ignored by lifecycle.ignoreDrift"
    if report.unmanaged:
        listed = "" if unmanaged else " (--unmanaged lists them)"
        yield f"{plural(len(report.unmanaged), 'unmanaged object')}{listed}"


def drift_remedy(drifts: Sequence[Drift]) -> str:
    """What to do next about these drifts."""
    if all(drift.kind is DriftKind.FOREIGN for drift in drifts):
        return "apply cannot repair any of this."
    return "See what apply would do about it: reconciler plan"
