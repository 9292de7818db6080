"""Adds positions in the manifests to a plan's changes and problems; only those that are shown are looked up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler.manifests.diagnostics import Diagnostic
from reconciler.manifests.parsing.positions import Locator, locate
from reconciler.manifests.resource import Origin
from reconciler.manifests.trust import Trust
from reconciler.manifests.words import without_secrets
from reconciler.planning.actions import AttributeChange, ResourceChange
from reconciler.planning.plan import Plan


def with_positions(plan: Plan, directory: Path, trust: Trust | None = None) -> Plan:
    """The plan with a position at every attribute change of a declared resource, and at every problem in one."""
    changes, errors, warnings = plan.changes, plan.errors, plan.warnings
    if any(change.changes and change.origin for change in changes):
        changes = tuple(_located(change, directory, trust) for change in changes)
    if any(problem.path for problem in (*errors, *warnings)):
        locator = Locator(directory, trust)
        errors = tuple(_with_place(problem, locator) for problem in errors)
        warnings = tuple(_with_place(problem, locator) for problem in warnings)
    return replace(plan, changes=changes, errors=errors, warnings=warnings)


def _located(change: ResourceChange, directory: Path, trust: Trust | None) -> ResourceChange:
    origin = change.origin
    if origin is None or not change.changes:
        return change

    def located(item: AttributeChange) -> AttributeChange:
        return replace(item, position=locate(directory, origin, tuple(item.path.split(".")), trust))

    return replace(change, changes=tuple(located(item) for item in change.changes))


def _with_place(problem: Diagnostic, locator: Locator) -> Diagnostic:
    """The same problem with line, column and the line's text, where they are known."""
    if problem.position is None or not problem.path:
        return problem
    position = locator.locate(Origin(problem.position.file, problem.position.line), problem.path)
    return replace(problem, position=position, line=without_secrets(locator.line(position)), path=())
