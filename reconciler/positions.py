"""Adds to a plan where the manifests say what it changes; looked up only for what is in the plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from manifests.positions import locate
from reconciler.actions import AttributeChange, ResourceChange
from reconciler.plan import Plan


def with_positions(plan: Plan, directory: Path) -> Plan:
    """The plan with a position at every attribute change of a resource that is declared."""
    if not any(change.changes and change.origin for change in plan.changes):
        return plan
    return replace(plan, changes=tuple(_located(change, directory) for change in plan.changes))


def _located(change: ResourceChange, directory: Path) -> ResourceChange:
    origin = change.origin
    if origin is None or not change.changes:
        return change

    def located(item: AttributeChange) -> AttributeChange:
        return replace(item, position=locate(directory, origin, tuple(item.path.split("."))))

    return replace(change, changes=tuple(located(item) for item in change.changes))
