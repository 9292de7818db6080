"""A plan without changes: one line, which takes few modules, as it is the plan that is made most often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.views.terminal.lines import BLANK, Line, Span, line
from reconciler.views.terminal.units import plural

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan
    from reconciler.views.text.heading import Heading


def no_changes_lines(plan: Plan, heading: Heading, width: int) -> Iterator[Line]:
    """The warnings, if there are any, and why there is nothing to do."""
    yield from not_read_lines(plan)
    if plan.warnings:
        from reconciler.views.text.diagnostics import diagnostics_lines

        yield from diagnostics_lines(plan.warnings, width)
        yield BLANK
    yield line(Span("No changes.", "good"), f" {why_no_changes(plan, heading.environment)}")


def not_read_lines(plan: Plan) -> Iterator[Line]:
    """What the plan of a project that is not trusted did not look at, in one line."""
    if plan.not_read:
        yield line(not_read(plan))
        yield BLANK


def not_read(plan: Plan) -> str:
    """`Planned as untrusted, without looking at: the objects; ...`"""
    return f"Planned as untrusted, without looking at: {'; '.join(plan.not_read)}."


def why_no_changes(plan: Plan, environment: str) -> str:
    """`15 objects match the manifests (environment default).`"""
    if plan.options.destroy and not plan.unchanged:
        what = "Nothing is recorded"
    elif plan.options.targets or plan.options.excludes:
        what = "Everything selected matches the manifests"
    else:
        verb = "matches" if plan.unchanged == 1 else "match"
        what = f"{plural(plan.unchanged, 'object')} {verb} the manifests"
    again = (
        f" {len(plan.reread):,} had to be read in full; apply records their new fingerprints." if plan.reread else ""
    )
    return f"{what} (environment {environment}).{again}"
