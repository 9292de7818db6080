"""The `text` format, for people: coloured on a terminal, plain in a log.

Each method imports the view it needs: a plan with nothing to do loads no more than that one line takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.views.output_format import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from reconciler.applying.apply import ApplyResult
    from reconciler.drift.report import DriftReport
    from reconciler.manifests.address import Address
    from reconciler.manifests.errors import ReconcilerError
    from reconciler.planning.plan import Plan
    from reconciler.state.records import Record, Run, State
    from reconciler.views.run_reporter import RunReporter
    from reconciler.views.terminal.lines import Line
    from reconciler.views.terminal.output import Output
    from reconciler.views.text.heading import Heading
    from reconciler.views.validation import Validation


class TextFormat(OutputFormat):
    """Lines and aligned tables, danger first; what does not matter is counted."""

    interactive = True

    def reporter(self, output: Output, errors: Output) -> RunReporter:
        from reconciler.views.text.apply import PlainReporter
        from reconciler.views.text.apply_bars import TerminalReporter

        return TerminalReporter(output, errors) if output.terminal else PlainReporter(output)

    def plan(self, plan: Plan, heading: Heading, width: int, *, verbose: bool = False) -> Iterator[Line]:
        if not plan.changes and plan.applicable:
            from reconciler.views.text.no_changes import no_changes_lines

            return no_changes_lines(plan, heading, width)
        from reconciler.views.text.plan import plan_lines

        return plan_lines(plan, heading, width, verbose=verbose)

    def result(self, result: ApplyResult | None, seconds: float, width: int) -> Iterator[Line]:
        from reconciler.views.text.apply import result_lines

        return iter(()) if result is None else result_lines(result, seconds, width)

    def drift(self, report: DriftReport, heading: Heading, width: int, *, unmanaged: bool = False) -> Iterator[Line]:
        from reconciler.views.text.drift import drift_lines

        return drift_lines(report, heading, width, unmanaged=unmanaged)

    def validation(self, validation: Validation, width: int) -> Iterator[Line]:
        from reconciler.views.text.validation import validation_lines

        return validation_lines(validation, width)

    def overview(self, state: State, runs: Iterable[Run]) -> Iterator[Line]:
        from reconciler.views.text.objects import overview_lines

        return overview_lines(state, runs)

    def record(self, record: Record, records: Mapping[Address, Record]) -> Iterator[Line]:
        from reconciler.views.text.objects import record_lines

        return record_lines(record, records)

    def latest(
        self, definition: str, versions: Mapping[str, str], *, alone: bool = False, foreign: Collection[str] = ()
    ) -> Iterator[Line]:
        from reconciler.views.terminal.lines import line
        from reconciler.views.text.objects import latest_lines

        return (line(version) for version in versions.values()) if alone else latest_lines(versions, foreign)

    def error(self, error: ReconcilerError, width: int) -> Iterator[Line]:
        from reconciler.views.text.diagnostics import error_lines

        return error_lines(error, width)


FORMAT = TextFormat()
