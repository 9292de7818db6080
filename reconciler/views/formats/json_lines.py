"""Events for programs: one JSON object a line, each with a `type`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Diagnostic
from reconciler.manifests.errors import ManifestError, ReconcilerError
from reconciler.reporting import Reporter
from reconciler.views.terminal.output import write

if TYPE_CHECKING:
    from reconciler.applying.apply import ApplyResult
    from reconciler.drift import Drift, DriftReport
    from reconciler.planning.actions import AttributeChange
    from reconciler.planning.plan import Plan
    from reconciler.providers.protocol import Step
    from reconciler.state.records import Record

Event = Mapping[str, Any]
_EVERY_S = 1.0


def write_event(stream: TextIO, event: Event) -> None:
    """Writes one line, and lets it be seen at once."""
    write(stream, json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")


def plan_event(plan: Plan, environment: str) -> Event:
    """The whole plan; `prior` and `planned` are objects, null where there is nothing."""
    from reconciler.planning.plan_file import plan_json

    data = plan_json(plan)
    for change in data["changes"]:
        for name in ("prior", "planned", "computed"):
            change[name] = json.loads(change[name]) if change[name] else None
    data["unreachable"] = [{"address": address, "why": why} for address, why in data["unreachable"]]
    counts = {action.value: number for action, number in plan.counts.items()}
    return {"type": "plan", "environment": environment, "applicable": plan.applicable, "counts": counts, **data}


def result_event(result: ApplyResult | None) -> Event:
    """How an apply ended; None when nothing was to be done."""
    if result is None:
        return {"type": "result", "complete": True, "interrupted": False, "done": {}}
    return {
        "type": "result",
        "complete": result.complete,
        "interrupted": result.interrupted,
        "done": {action.value: number for action, number in result.done.items()},
        "failed": [{"address": str(address), **_error(error)} for address, error in result.failed],
        "skipped": [{"address": str(address), "because": str(because)} for address, because in result.skipped],
        "left": [str(address) for address in result.left],
    }


def error_event(error: ReconcilerError) -> Event:
    """What stopped a command."""
    diagnostics = error.diagnostics if isinstance(error, ManifestError) else ()
    return {"type": "error", **_error(error), "diagnostics": [diagnostic_data(item) for item in diagnostics]}


def drift_event(report: DriftReport, environment: str) -> Event:
    """The whole report."""
    return {
        "type": "drift",
        "environment": environment,
        "lineage": report.lineage,
        "serial": report.serial,
        "found": report.found,
        "critical": report.critical,
        "checked": report.checked,
        "drifts": [_drift(drift) for drift in report.drifts],
        "ignored": [_drift(drift) for drift in report.ignored],
        "unmanaged": [_drift(drift) for drift in report.unmanaged],
        "unreachable": [{"address": str(address), "why": why} for address, why in report.unreachable],
    }


def validate_event(counts: Mapping[str, int], diagnostics: Iterable[Diagnostic], *, valid: bool) -> Event:
    """Whether the manifests can be used, how much they declare, and every fault."""
    shown = [diagnostic_data(diagnostic) for diagnostic in diagnostics]
    return {"type": "validate", "valid": valid, "counts": dict(counts), "diagnostics": shown}


def record_event(record: Record) -> Event:
    """What is recorded of one object."""
    return {
        "type": "object",
        "address": str(record.address),
        "kind": record.address.kind.value,
        "provider": record.provider,
        "object_id": record.object_id,
        "status": record.status.value,
        "protect": record.protect,
        "retain": record.retain,
        "attributes": record.attributes,
        "computed": record.computed_values,
        "dependencies": [str(address) for address in record.dependencies],
    }


def diagnostic_data(diagnostic: Diagnostic) -> Event:
    position = diagnostic.position
    return {
        "severity": diagnostic.severity.value,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "address": str(diagnostic.address) if diagnostic.address else None,
        "file": position.file if position else None,
        "line": position.line or None if position else None,
        "column": position.column or None if position else None,
    }


def _error(error: ReconcilerError) -> dict[str, str]:
    return {"error": error.message, "remedy": error.remedy}


def _drift(drift: Drift) -> Event:
    return {
        "address": str(drift.address),
        "kind": drift.kind.value,
        "severity": drift.severity.value,
        "object_id": drift.object_id,
        "defects": list(drift.defects),
        "changes": [_attribute_change(item) for item in drift.changes],
    }


def _attribute_change(change: AttributeChange) -> Event:
    return {
        "path": change.path,
        "before": change.before,
        "after": change.after,
        "elements": [{"key": item.key, "before": item.before, "after": item.after} for item in change.elements],
        "more_elements": change.more_elements,
    }


class JsonReporter(Reporter):
    """Writes an event for everything that happens; of progress one a second for each address."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told: dict[Address, float] = {}
        self._turn = threading.Lock()  # providers that read tell of progress from threads of their own

    def _write(self, kind: str, **values: Any) -> None:
        with self._turn:
            write_event(self._stream, {"type": kind, **values})

    def stage(self, name: str) -> None:
        self._write("stage", stage=name)

    def waiting(self, message: str) -> None:
        self._write("waiting", message=message)

    def started(self, step: Step) -> None:
        self._write("started", address=str(step.address), verb=step.verb.value)

    def progress(self, address: Address, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - self._told.get(address, -_EVERY_S) >= _EVERY_S:
            self._told[address] = now
            self._write("progress", address=str(address), done=done, total=total)

    def in_progress(self, step: Step) -> None:
        self._write("in_progress", address=str(step.address), verb=step.verb.value)

    def finished(self, step: Step, seconds: float) -> None:
        self._write("finished", address=str(step.address), verb=step.verb.value, seconds=round(seconds, 3))

    def failed(self, step: Step, error: ReconcilerError) -> None:
        self._write("failed", address=str(step.address), verb=step.verb.value, **_error(error))

    def skipped(self, step: Step, because: Address) -> None:
        self._write("skipped", address=str(step.address), verb=step.verb.value, because=str(because))

    def interrupted(self, running: int) -> None:
        self._write("interrupted", running=running)
