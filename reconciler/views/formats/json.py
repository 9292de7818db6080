"""The `json` format: one JSON object per line. Reading commands write a document, apply and destroy an event stream."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, TextIO

from reconciler.views.json_events import (
    change_event,
    drift_event,
    error_data,
    error_event,
    event_text,
    latest_event,
    plan_event,
    record_event,
    result_event,
    run_event,
    validate_event,
)
from reconciler.views.output_format import OutputFormat
from reconciler.views.run_reporter import RunReporter
from reconciler.views.terminal.lines import Line, line
from reconciler.views.terminal.output import write

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from reconciler.applying.apply import ApplyResult
    from reconciler.drift.report import DriftReport
    from reconciler.manifests.address import Address
    from reconciler.manifests.errors import ReconcilerError
    from reconciler.planning.plan import Plan
    from reconciler.providers.protocol import Step
    from reconciler.state.records import Record, Run, State
    from reconciler.state.upkeep import Change
    from reconciler.views.json_events import Event
    from reconciler.views.terminal.output import Output
    from reconciler.views.text.heading import Heading
    from reconciler.views.validation import Validation

_EVERY_S = 1.0


class JsonFormat(OutputFormat):
    """An event for each value, with everything in it: nothing is grouped or left out."""

    def reporter(self, output: Output, errors: Output) -> RunReporter:
        return JsonReporter(output.stream)

    def plan(self, plan: Plan, heading: Heading, width: int, *, verbose: bool = False) -> Iterator[Line]:
        yield _line(plan_event(plan, heading.environment))

    def result(self, result: ApplyResult | None, seconds: float, width: int) -> Iterator[Line]:
        yield _line(result_event(result))

    def drift(self, report: DriftReport, heading: Heading, width: int, *, unmanaged: bool = False) -> Iterator[Line]:
        yield _line(drift_event(report, heading.environment))

    def validation(self, validation: Validation, width: int) -> Iterator[Line]:
        yield _line(validate_event(validation))

    def overview(self, state: State, runs: Iterable[Run]) -> Iterator[Line]:
        yield from (_line(record_event(record)) for record in state.records.values())

    def record(self, record: Record, records: Mapping[Address, Record]) -> Iterator[Line]:
        yield _line(record_event(record))

    def history(self, runs: Iterable[Run]) -> Iterator[Line]:
        yield from (_line(run_event(run)) for run in runs)

    def changes(self, changes: Iterable[tuple[Change, Run | None]]) -> Iterator[Line]:
        yield from (_line(change_event(change, run)) for change, run in changes)

    def latest(
        self, definition: str, versions: Mapping[str, str], *, alone: bool = False, foreign: Collection[str] = ()
    ) -> Iterator[Line]:
        yield _line(latest_event(definition, versions, foreign))

    def error(self, error: ReconcilerError, width: int) -> Iterator[Line]:
        yield _line(error_event(error))


def _line(event: Event) -> Line:
    return line(event_text(event))


class JsonReporter(RunReporter):
    """Writes an event for everything that happens; progress at most once a second for each address."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._reported: dict[Address, float] = {}
        self._lock = threading.Lock()  # reads report progress from threads of their own

    def _write(self, kind: str, **values: Any) -> None:
        with self._lock:
            write(self._stream, event_text({"type": kind, **values}) + "\n")

    def stage(self, name: str) -> None:
        self._write("stage", stage=name)

    def waiting(self, message: str) -> None:
        self._write("waiting", message=message)

    def started(self, step: Step) -> None:
        self._write("started", address=str(step.address), verb=step.verb.value)

    def progress(self, address: Address, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - self._reported.get(address, -_EVERY_S) >= _EVERY_S:
            self._reported[address] = now
            self._write("progress", address=str(address), done=done, total=total)

    def in_progress(self, step: Step) -> None:
        self._write("in_progress", address=str(step.address), verb=step.verb.value)

    def finished(self, step: Step, seconds: float) -> None:
        self._write("finished", address=str(step.address), verb=step.verb.value, seconds=round(seconds, 3))

    def failed(self, step: Step, error: ReconcilerError) -> None:
        self._write("failed", address=str(step.address), verb=step.verb.value, **error_data(error))

    def skipped(self, step: Step, because: Address) -> None:
        self._write("skipped", address=str(step.address), verb=step.verb.value, because=str(because))

    def interrupted(self, running: int) -> None:
        self._write("interrupted", running=running)


FORMAT = JsonFormat()
