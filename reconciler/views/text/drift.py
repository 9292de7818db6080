"""A drift report for people: what is not as it was left, where, and what to do about it."""

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
_FOREIGN_REMEDY = "move it away, or take it out of the state with: reconciler state forget"


def drift_lines(report: DriftReport, heading: Heading, width: int, *, unmanaged: bool = False) -> Iterator[Line]:
    """All that was found, and one line of counts. `unmanaged`: list what nobody manages, too."""
    yield heading_line(heading)
    yield BLANK
    rows = [*unknown_rows(report.unreachable), *(row for kind in _SHOWN for row in _rows(report.drifts, kind))]
    if unmanaged:
        rows += [Row("·", "unmanaged", str(one.address), [Cell(one.object_id)], "dim") for one in report.unmanaged]
    if rows:
        yield from table(rows, width)
        yield BLANK
    yield line(" ", " · ".join(_counts(report, unmanaged=unmanaged)))
    if report.drifts:
        yield BLANK
        yield from paragraph(_remedy(report.drifts), width, 1)


def _rows(drifts: Sequence[Drift], kind: DriftKind) -> Iterator[Row]:
    symbol, style = _SHOWN[kind]
    for drift in drifts:
        if drift.kind is kind:
            yield Row(symbol, kind.value, str(drift.address), list(_cells(drift)), style)


def _cells(drift: Drift) -> Iterator[Cell]:
    said = {
        DriftKind.MISSING: ["it is not there any more"],
        DriftKind.FOREIGN: ["what stands there is not ours", *drift.defects],
    }.get(drift.kind, list(drift.defects))
    for text in said:
        yield Cell(text)
    for change in drift.changes:
        yield Cell(f"{change.path}  {change_text(change)}")
    if drift.object_id:
        yield Cell(drift.object_id, style="dim")
    if drift.kind is DriftKind.FOREIGN:
        yield Cell(f"{_FOREIGN_REMEDY} {drift.address}", style="note")


def _counts(report: DriftReport, *, unmanaged: bool) -> Iterator[str]:
    if report.drifts:
        critical = f" ({report.critical:,} critical)" if report.critical else ""
        yield f"{len(report.drifts):,} drifted{critical}"
    yield f"{report.checked - len(report.drifts) - len(report.ignored):,} as recorded"
    if report.unreachable:
        yield f"{len(report.unreachable):,} unknown"
    if report.ignored:
        yield f"{len(report.ignored):,} ignored by lifecycle.ignoreDrift"
    if report.unmanaged:
        listed = "" if unmanaged else " (--unmanaged lists them)"
        yield f"{plural(len(report.unmanaged), 'unmanaged object')}{listed}"


def _remedy(drifts: Sequence[Drift]) -> str:
    if all(drift.kind is DriftKind.FOREIGN for drift in drifts):
        return "Nothing of this can be repaired by apply."
    return "See what would be done about it with: reconciler plan"
