"""Adds to a plan where the manifests say what it changes and what is wrong; looked up only for what is in the plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler.manifests.diagnostics import Diagnostic
from reconciler.manifests.parsing.positions import Locator, locate
from reconciler.manifests.resource import Origin
from reconciler.manifests.words import without_secrets
from reconciler.planning.actions import AttributeChange, ResourceChange
from reconciler.planning.plan import Plan


def with_positions(plan: Plan, directory: Path) -> Plan:
    """The plan with a position at every attribute change of a resource that is declared, and at every fault in one."""
    changes, errors = plan.changes, plan.errors
    if any(change.changes and change.origin for change in changes):
        changes = tuple(_located(change, directory) for change in changes)
    if any(defect.path for defect in errors):
        locator = Locator(directory)
        errors = tuple(_found(defect, locator) for defect in errors)
    return replace(plan, changes=changes, errors=errors)


def _located(change: ResourceChange, directory: Path) -> ResourceChange:
    origin = change.origin
    if origin is None or not change.changes:
        return change

    def located(item: AttributeChange) -> AttributeChange:
        return replace(item, position=locate(directory, origin, tuple(item.path.split("."))))

    return replace(change, changes=tuple(located(item) for item in change.changes))


def _found(defect: Diagnostic, locator: Locator) -> Diagnostic:
    """With line, column and the line's text, where there are any."""
    if defect.position is None or not defect.path:
        return defect
    position = locator.locate(Origin(defect.position.file, defect.position.line), defect.path)
    return replace(defect, position=position, line=without_secrets(locator.line(position)), path=())
