"""A drift report for people: what differs from the state, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.drift.report import Drift, DriftKind, DriftReport, DriftSeverity, IgnoredChange
from reconciler.views.terminal.lines import BLANK, Cell, Line, Row, line, paragraph, table
from reconciler.views.terminal.units import plural
from reconciler.views.text.attribute_changes import change_text
from reconciler.views.text.heading import Heading, heading_line
from reconciler.views.text.plan_rows import unknown_rows

_SHOWN = {
    DriftKind.LATEST: ("!", "danger"),
    DriftKind.FOREIGN: ("!", "danger"),
    DriftKind.MISSING: ("-", "remove"),
    DriftKind.DAMAGED: ("!", "danger"),
    DriftKind.UNSETTLED: ("?", "danger"),
    DriftKind.CHANGED: ("~", "change"),
}
"""Kind -> symbol and style, in the order in which they are shown."""
_FOREIGN_REMEDY = "move that object away, or drop the record with: reconciler state forget"
_LATEST_REMEDY = "delete that version, exclude it from latest, or publish a higher one"
_MOST_IGNORED = 10


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
    if report.unrecorded:
        yield BLANK
        yield from paragraph(nothing_recorded(report), width, 1)


def drift_rows(report: DriftReport) -> list[Row]:
    """The rows of a report: what is unknown, the drifts, the most severe kind first, and what is ignored."""
    drifts = (row for kind in _SHOWN for row in _rows(report.drifts, kind))
    return [*unknown_rows(report.unreachable), *drifts, *_ignored_rows(report.ignored)]


def _ignored_rows(ignored: Sequence[Drift]) -> Iterator[Row]:
    for drift in ignored[:_MOST_IGNORED]:
        yield Row("·", "ignored", str(drift.address), [_ignored_cell(item) for item in drift.ignored], "dim")
    if len(ignored) > _MOST_IGNORED:
        yield Row(" ", "", "", [Cell(f"… and {len(ignored) - _MOST_IGNORED:,} more ignored", style="dim")], "dim")


def _ignored_cell(ignored: IgnoredChange) -> Cell:
    until = f"until {ignored.until[:10]}" if ignored.until else ""
    because = ", ".join(filter(None, [ignored.reason, until]))
    shown = f"{ignored.change.path}  {change_text(ignored.change)}"
    return Cell(f"{shown}  ignored{f': {because}' if because else ''}", style="dim")


def unmanaged_rows(report: DriftReport) -> list[Row]:
    """A row for each unmanaged object."""
    return [
        Row("·", "unmanaged", str(drift.address), [Cell(drift.object_id), *map(Cell, drift.defects)], "dim")
        for drift in report.unmanaged
    ]


def _rows(drifts: Sequence[Drift], kind: DriftKind) -> Iterator[Row]:
    symbol, style = _SHOWN[kind]
    for drift in drifts:
        if drift.kind is kind:
            yield Row(symbol, kind.value, str(drift.address), list(_cells(drift)), style)


def _cells(drift: Drift) -> Iterator[Cell]:
    sentences = {
        DriftKind.MISSING: ["it no longer exists"],
        DriftKind.FOREIGN: ["an object that is not ours has its name", *drift.defects],
        DriftKind.LATEST: [
            f"latest {move.region} {move.before or 'none'} -> {move.after}, published by somebody else"
            for move in drift.latest
        ],
    }.get(drift.kind, list(drift.defects))
    for text in sentences:
        yield Cell(text)
    for change in drift.changes:
        yield Cell(f"{change.path}  {change_text(change)}")
    yield from map(_ignored_cell, drift.ignored)
    if drift.object_id:
        yield Cell(drift.object_id, style="dim")
    if drift.kind is DriftKind.FOREIGN:
        yield Cell(f"{_FOREIGN_REMEDY} {drift.address}", style="note")
    if drift.kind is DriftKind.LATEST:
        yield Cell(_LATEST_REMEDY, style="note")


def drift_counts(report: DriftReport, *, unmanaged: bool) -> Iterator[str]:
    """`4 drifted (3 critical)`, `1 unsettled`, `15 unchanged`: how many of each."""
    drifted = [drift for drift in report.drifts if drift.kind is not DriftKind.UNSETTLED]
    if drifted:
        yield f"{len(drifted):,} drifted{_critical(drifted)}"
    if report.unsettled:
        rest = [drift for drift in report.drifts if drift.kind is DriftKind.UNSETTLED]
        yield f"{report.unsettled:,} unsettled{_critical(rest)}"
    yield f"{report.unchanged:,} unchanged"
    if report.unreachable:
        yield f"{len(report.unreachable):,} unknown"
    if report.unrecorded:
        yield f"{report.unrecorded:,} declared, and nothing recorded"
    if report.ignored:
        yield f"{len(report.ignored):,} ignored by lifecycle.ignoreDrift"
    if report.unmanaged:
        listed = "" if unmanaged else " (--unmanaged lists them)"
        yield f"{plural(len(report.unmanaged), 'unmanaged object')}{listed}"


def _critical(drifts: Sequence[Drift]) -> str:
    critical = sum(drift.severity is DriftSeverity.CRITICAL for drift in drifts)
    return f" ({critical:,} critical)" if critical else ""


def drift_remedy(drifts: Sequence[Drift]) -> str:
    """What to do next about these drifts."""
    if all(drift.kind in (DriftKind.FOREIGN, DriftKind.LATEST) for drift in drifts):
        return "apply cannot repair any of this."
    return "See what apply would do about it: reconciler plan"


def nothing_recorded(report: DriftReport) -> str:
    """Why there was nothing to compare with, and what to do."""
    exist = f", and {report.unrecorded_present:,} of them exist" if report.unrecorded_present else ""
    are = "is" if report.unrecorded == 1 else "are"
    return (
        f"Nothing was compared: {plural(report.unrecorded, 'object')} {are} declared{exist}, and nothing is recorded "
        "in this state. If they are recorded in another state, correct `state:` in reconciler.yaml. If the state was "
        "lost, restore it, or make the records again with: reconciler state rebuild. If they were never created: "
        "reconciler apply"
    )
