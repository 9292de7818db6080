"""Values as JSON objects, each with a `type`: what the `json` format writes, one per line."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from reconciler.manifests.diagnostics import Diagnostic
from reconciler.manifests.errors import ManifestError, ReconcilerError
from reconciler.views.terminal.escaping import json_escaped

if TYPE_CHECKING:
    from reconciler.applying.apply import ApplyResult
    from reconciler.drift.report import Drift, DriftReport
    from reconciler.planning.actions import AttributeChange
    from reconciler.planning.plan import Plan
    from reconciler.state.records import Record, Run
    from reconciler.state.upkeep import Change
    from reconciler.views.validation import Validation

Event = Mapping[str, Any]


def event_text(event: Event) -> str:
    """The event as one line, without its line break."""
    return json_escaped(json.dumps(event, ensure_ascii=False, separators=(",", ":")))


def plan_event(plan: Plan, environment: str) -> Event:
    """The whole plan; `prior` and `planned` are objects, or null."""
    from reconciler.planning.saved.plan_file import plan_json

    data = plan_json(plan)
    for change in data["changes"]:
        for name in ("prior", "planned", "computed"):
            change[name] = json.loads(change[name]) if change[name] else None
    data["reread"] = [change["address"] for change in data["reread"]]
    data["unreachable"] = [{"address": address, "why": why} for address, why in data["unreachable"]]
    counts = {action.value: number for action, number in plan.counts.items()}
    if plan.removals:
        counts["remove"] = len(plan.removals)
    return {"type": "plan", "environment": environment, "applicable": plan.applicable, "counts": counts, **data}


def result_event(result: ApplyResult | None) -> Event:
    """How an apply ended; None when there was nothing to do."""
    if result is None:
        return {"type": "result", "complete": True, "interrupted": False, "done": {}}
    return {
        "type": "result",
        "complete": result.complete,
        "interrupted": result.interrupted,
        "done": {action.value: number for action, number in result.done.items()},
        "failed": [{"address": str(address), **error_data(error)} for address, error in result.failed],
        "skipped": [{"address": str(address), "because": str(because)} for address, because in result.skipped],
        "left": [str(address) for address in result.left],
        "removed": list(result.removed),
        "latest": [
            {
                "definition": str(missed.definition),
                "region": missed.region,
                "planned": missed.planned,
                "found": missed.found,
            }
            for missed in result.latest
        ],
    }


def error_event(error: ReconcilerError) -> Event:
    """What ended a command."""
    diagnostics = error.diagnostics if isinstance(error, ManifestError) else ()
    return {"type": "error", **error_data(error), "diagnostics": [diagnostic_data(item) for item in diagnostics]}


def drift_event(report: DriftReport, environment: str) -> Event:
    """The whole report."""
    return {
        "type": "drift",
        "environment": environment,
        "lineage": report.lineage,
        "serial": report.serial,
        "found": report.found,
        "inconclusive": report.inconclusive,
        "critical": report.critical,
        "checked": report.checked,
        "unchanged": report.unchanged,
        "unsettled": report.unsettled,
        "unrecorded": {"declared": report.unrecorded, "present": report.unrecorded_present},
        "drifts": [_drift(drift) for drift in report.drifts],
        "ignored": [_drift(drift) for drift in report.ignored],
        "unmanaged": [_drift(drift) for drift in report.unmanaged],
        "unreachable": [{"address": str(address), "why": why} for address, why in report.unreachable],
    }


def validate_event(validation: Validation) -> Event:
    """Whether the manifests are valid, how much they declare, and every problem."""
    shown = [diagnostic_data(diagnostic) for diagnostic in validation.diagnostics]
    return {
        "type": "validate",
        "valid": validation.valid,
        "counts": dict(validation.counts),
        "diagnostics": shown,
    }


def run_event(run: Run) -> Event:
    """One run; `finished` is empty while it lasts."""
    return {
        "type": "run",
        **{field.name: getattr(run, field.name) for field in fields(run)},
        "counts": dict(run.counts),
    }


def change_event(change: Change, run: Run | None) -> Event:
    """What was done to one object, with the run that did it, null if it is no longer remembered."""
    by = {name: value for name, value in run_event(run).items() if name != "type"} if run else None
    return {"type": "change", "address": str(change.address), "action": change.action, "at": change.at, "run": by}


def record_event(record: Record) -> Event:
    """One recorded object."""
    return {
        "type": "object",
        "address": str(record.address),
        "kind": record.address.kind.value,
        "provider": record.provider,
        "object_id": record.object_id,
        "object_name": str(record.named or record.address),
        "status": record.status.value,
        "protect": record.protect,
        "retain": record.retain,
        "attributes": record.attributes,
        "computed": record.computed_values,
        "dependencies": [str(address) for address in record.dependencies],
    }


def latest_event(definition: str, versions: Mapping[str, str], foreign: Collection[str] = ()) -> Event:
    """Which version is latest, by region, and the regions where it is somebody else's."""
    theirs = sorted(region for region in versions if region in foreign)
    return {"type": "latest", "definition": definition, "versions": dict(versions), "foreign": theirs}


def diagnostic_data(diagnostic: Diagnostic) -> Event:
    """One problem with its place; what is not known is null."""
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


def error_data(error: ReconcilerError) -> Event:
    """Message and remedy, without a `type`."""
    return {"error": error.message, "remedy": error.remedy}


def _drift(drift: Drift) -> Event:
    return {
        "address": str(drift.address),
        "kind": drift.kind.value,
        "severity": drift.severity.value,
        "object_id": drift.object_id,
        "defects": list(drift.defects),
        "changes": [_attribute_change(item) for item in drift.changes],
        "ignored_changes": [
            {**_attribute_change(item.change), "reason": item.reason, "until": item.until or None}
            for item in drift.ignored
        ],
        "latest": [{"region": move.region, "before": move.before, "after": move.after} for move in drift.latest],
    }


def _attribute_change(change: AttributeChange) -> Event:
    return {
        "path": change.path,
        "before": change.before,
        "after": change.after,
        "elements": [{"key": item.key, "before": item.before, "after": item.after} for item in change.elements],
        "more_elements": change.more_elements,
    }
