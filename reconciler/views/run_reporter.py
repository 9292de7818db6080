"""`RunReporter`: a reporter that shares its stream with the plan, the question and the result of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.reporting import Reporter

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan


class RunReporter(Reporter):
    """Shows an apply or a destroy as it happens; this one shows nothing."""

    def pause(self) -> None:
        """Something else is about to be written: a plan, or a question."""

    def shown(self, plan: Plan) -> None:
        """`plan` has been written."""

    def close(self) -> None:
        """The run is over."""
