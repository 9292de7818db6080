"""The `markdown` format, for comments on pull requests: a table with danger first, details folded, all values escaped.

It writes nothing while a run is in progress.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.views.markdown_text import code, escape, folded, markdown_lines, table
from reconciler.views.output_format import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from reconciler.applying.apply import ApplyResult
    from reconciler.drift.report import DriftReport
    from reconciler.manifests.address import Address
    from reconciler.manifests.diagnostics import Diagnostic
    from reconciler.manifests.errors import ReconcilerError
    from reconciler.planning.plan import Plan
    from reconciler.state.records import Record, Run, State
    from reconciler.state.upkeep import Change
    from reconciler.views.terminal.lines import Cell, Line, Row
    from reconciler.views.text.heading import Heading
    from reconciler.views.validation import Validation


class MarkdownFormat(OutputFormat):
    """Renders each value as a section of its own."""

    def plan(self, plan: Plan, heading: Heading, width: int, *, verbose: bool = False) -> Iterator[Line]:
        return markdown_lines(_plan(plan, heading, verbose=verbose))

    def result(self, result: ApplyResult | None, seconds: float, width: int) -> Iterator[Line]:
        return markdown_lines(_result(result, seconds) if result else ())

    def drift(self, report: DriftReport, heading: Heading, width: int, *, unmanaged: bool = False) -> Iterator[Line]:
        return markdown_lines(_drift(report, heading, unmanaged=unmanaged))

    def validation(self, validation: Validation, width: int) -> Iterator[Line]:
        return markdown_lines(_validation(validation))

    def overview(self, state: State, runs: Iterable[Run]) -> Iterator[Line]:
        return markdown_lines(_overview(state, runs))

    def record(self, record: Record, records: Mapping[Address, Record]) -> Iterator[Line]:
        return markdown_lines(_record(record, records))

    def history(self, runs: Iterable[Run]) -> Iterator[Line]:
        return markdown_lines(_history(runs))

    def changes(self, changes: Iterable[tuple[Change, Run | None]]) -> Iterator[Line]:
        return markdown_lines(_changes(changes))

    def latest(
        self, definition: str, versions: Mapping[str, str], *, alone: bool = False, foreign: Collection[str] = ()
    ) -> Iterator[Line]:
        return markdown_lines(_latest(definition, versions, foreign))

    def error(self, error: ReconcilerError, width: int) -> Iterator[Line]:
        return markdown_lines(_error(error))


def _plan(plan: Plan, heading: Heading, *, verbose: bool) -> Iterator[str]:
    from reconciler.views.text.no_changes import not_read, why_no_changes
    from reconciler.views.text.plan import counts, latest_rows
    from reconciler.views.text.plan_rows import content_rows, plan_rows

    unchanged = not plan.changes and plan.applicable
    yield from ("### Plan: no changes" if unchanged else f"### Plan: {' · '.join(counts(plan))}", "")
    if plan.not_read:
        yield from (escape(not_read(plan)), "")
    yield from _diagnostics((*plan.errors, *plan.warnings))
    if unchanged:
        yield from (escape(why_no_changes(plan, heading.environment)), "")
        return
    yield from _about(heading)
    yield from _rows(("action", "resource", "details"), plan_rows(plan, verbose=verbose, sources=False))
    contents = [row for change in plan.changes if not change.block for row in content_rows(change)]
    yield from table(("published content", "digest"), ([code(name), code(text)] for name, text in contents))
    moves = latest_rows(plan.latest, verbose=verbose)
    yield from table(("definition", "latest"), ([code(row.subject), _all(row.cells)] for row in moves))


def _drift(report: DriftReport, heading: Heading, *, unmanaged: bool) -> Iterator[str]:
    from reconciler.views.text.drift import drift_counts, drift_remedy, drift_rows, nothing_recorded, unmanaged_rows

    yield from (f"### Drift: {' · '.join(drift_counts(report, unmanaged=unmanaged))}", "")
    yield from _about(heading)
    yield from _rows(("drift", "object", "details"), drift_rows(report))
    if unmanaged:
        rows = ([code(row.subject), _all(row.cells)] for row in unmanaged_rows(report))
        yield from folded("Unmanaged objects", table(("object", "id"), rows))
    if report.drifts:
        yield from (escape(drift_remedy(report.drifts)), "")
    if report.unrecorded:
        yield from (escape(nothing_recorded(report)), "")


def _about(heading: Heading) -> Iterator[str]:
    from reconciler.views.terminal.lines import text_of
    from reconciler.views.text.heading import heading_line

    yield from (escape(text_of(heading_line(heading))), "")


def _rows(headings: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """A table of the rows; what is dangerous is bold and shown in full, other rows with the first of their details."""
    more = [row for row in rows if len(row.cells) > 1 and row.style != "danger"]
    yield from table(headings, ([_label(row), code(row.subject), _details(row)] for row in rows))
    details = ([code(row.subject), _all(row.cells)] for row in more)
    yield from folded("Details", table(headings[1:], details))


def _label(row: Row) -> str:
    text = f"{row.symbol} {row.label}".strip()
    return f"**{text}**" if text and row.style == "danger" else text


def _details(row: Row) -> str:
    return _all(row.cells if row.style == "danger" else row.cells[:1])


def _all(cells: Sequence[Cell]) -> str:
    """The details of a row, one per line."""
    return "<br>".join(" · ".join(filter(None, [code(cell.text), code(cell.right)])) for cell in cells)


def _result(result: ApplyResult, seconds: float) -> Iterator[str]:
    from reconciler.views.terminal.units import seconds_text
    from reconciler.views.text.apply import AGAIN, ending, failures, latest_texts, result_counts, skips

    shown = " · ".join([ending(result).lower(), *result_counts(result), seconds_text(seconds)])
    yield from ("", f"### Apply: {shown}", "")
    yield from table(("removed",), ([code(what)] for what in result.removed))
    failed = ([_codes(addresses), code(why), escape(remedy)] for (why, remedy), addresses in failures(result).items())
    yield from table(("failed", "why", "what to do"), failed)
    skipped = ([_codes(addresses), code(str(because))] for because, addresses in skips(result).items())
    yield from folded("Skipped", table(("skipped", "because this failed"), skipped))
    yield from table(("latest is not as planned",), ([code(text)] for text in latest_texts(result)))
    if result.left:
        yield from (f"Still running: {_codes(result.left)}. The next apply picks them up.", "")
    if not result.complete:
        yield from (AGAIN, "")


def _codes(addresses: Iterable[Address]) -> str:
    return ", ".join(code(str(address)) for address in addresses)


def _validation(validation: Validation) -> Iterator[str]:
    from reconciler.views.text.diagnostics import summary_of_problems
    from reconciler.views.text.validation import declared_text

    summary = f"invalid · {summary_of_problems(validation.diagnostics)}"
    yield from (f"### Manifests: {'valid' if validation.valid else summary}", "")
    yield from _diagnostics(validation.diagnostics)
    if validation.valid:
        yield from (declared_text(validation), "")


def _diagnostics(diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    yield from table(
        ("problem", "where", "what to do"),
        (
            [
                f"**{diagnostic.severity}** {code(diagnostic.summary)}",
                "<br>".join(filter(None, map(code, _where(diagnostic)))),
                code(diagnostic.detail),
            ]
            for diagnostic in diagnostics
        ),
    )


def _where(diagnostic: Diagnostic) -> Iterator[str]:
    """Place, address and offending line, as far as they are known."""
    yield from (str(part) for part in (diagnostic.position, diagnostic.address) if part)
    yield diagnostic.line.strip()


def _error(error: ReconcilerError) -> Iterator[str]:
    from reconciler.manifests.errors import ManifestError

    yield from ("### Error", "")
    if isinstance(error, ManifestError):
        yield from _diagnostics(error.diagnostics)
        return
    yield from (code(error.message), "")
    if error.remedy:
        yield from (escape(error.remedy), "")


def _overview(state: State, runs: Iterable[Run]) -> Iterator[str]:
    from reconciler.views.text.objects import intent_text, object_gists, run_cells, state_text

    yield from (f"### State: {state_text(state)}", "")
    gists = object_gists(state.records).items()
    yield from table(("object", "details"), ([code(str(address)), code(gist)] for address, gist in gists))
    intents = sorted(state.intents.items())
    yield from table(("journal", "operation"), ([code(str(at)), code(intent_text(intent))] for at, intent in intents))
    yield from folded("Latest runs", table(_RUN, ([code(cell) for cell in run_cells(run)] for run in runs)))


def _history(runs: Iterable[Run]) -> Iterator[str]:
    from reconciler.views.text.objects import run_cells

    yield from ("### History", "")
    yield from table(_RUN, ([code(cell) for cell in run_cells(run)] for run in runs))


def _changes(changes: Iterable[tuple[Change, Run | None]]) -> Iterator[str]:
    from reconciler.views.text.objects import change_cells

    yield from ("### History", "")
    yield from table(_CHANGE, ([code(cell) for cell in change_cells(change, run)] for change, run in changes))


_CHANGE = ("at", "change", "object", "command", "by", "commit")
_RUN = ("started", "command", "ended", "changes", "by", "commit")


def _record(record: Record, records: Mapping[Address, Record]) -> Iterator[str]:
    from reconciler.views.text.objects import record_facts, value_texts

    yield from (f"### {record.address.kind.value} {code(str(record.address))}", "")
    facts = record_facts(record, records).items()
    yield from table(("recorded", "value"), ([name, code(value)] for name, value in facts))
    for title, values in (("attribute", record.attributes), ("computed", record.computed_values)):
        yield from table((title, "value"), ([code(path), code(text)] for path, text in value_texts(values).items()))


def _latest(definition: str, versions: Mapping[str, str], foreign: Collection[str]) -> Iterator[str]:
    from reconciler.views.text.objects import NOT_MANAGED

    yield from (f"### Latest of {code(definition)}", "")
    rows = (
        [code(at), f"{code(version)} **{NOT_MANAGED}**" if at in foreign else code(version)]
        for at, version in sorted(versions.items())
    )
    yield from table(("region", "version"), rows)


FORMAT = MarkdownFormat()
