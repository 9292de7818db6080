"""`SavedPlanUse`: one use of a saved plan, which may be its first, continue an earlier one, or come too late. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.errors import StalePlan, Unreachable
from reconciler.latest import LatestChange
from reconciler.manifests.project import Project
from reconciler.planning.actions import ResourceChange
from reconciler.planning.plan import Plan
from reconciler.planning.saved.bindings import other_destinations
from reconciler.planning.saved.plan_file import SavedPlan
from reconciler.planning.saved.staleness import rest_of, undone_by
from reconciler.state.records import Run, State

_DONE = "done"


@dataclass(frozen=True, slots=True)
class SavedPlanUse:
    """`runs` are all recorded ones, newest first; those with the plan's digest are its own."""

    saved: SavedPlan
    project: Project
    runs: Collection[Run]
    now: datetime

    @property
    def own_runs(self) -> list[Run]:
        """The earlier runs of this plan, newest first."""
        return [run for run in self.runs if run.plan_digest == self.saved.digest]

    @property
    def last_run(self) -> Run | None:
        """The latest of them; None before the first."""
        return next(iter(self.own_runs), None)

    def is_finished(self, remaining: Plan) -> bool:
        """Whether earlier runs have made all changes."""
        return bool(self.own_runs) and not remaining.changes

    def remaining(self, fresh: Plan, state: State) -> Plan:
        """What is to be applied: the saved changes, or those that an earlier run has left, as `fresh` decides them.

        Raises: StalePlan, Unreachable.
        """
        saved, own = self.saved.plan, frozenset(run.id for run in self.own_runs)
        touched = {change.address for change in saved.changes}
        unknown = {address: why for address, why in fresh.unreachable if address in touched}
        if unknown:
            raise Unreachable(unknown)
        rest = rest_of(saved, fresh, state, own)
        differences = rest.differences
        if rest.changes or differences:
            differences = (*other_destinations(self.saved.binding, self.project, state), *self._over(), *differences)
        if differences:
            raise StalePlan(differences)
        latest = saved.latest if not own else _latest_of(fresh, rest.changes)
        return replace(
            saved,
            changes=rest.changes,
            latest=latest,
            serial=fresh.serial,
            unchanged=fresh.unchanged,
            moves=tuple(move for move in fresh.moves if move in saved.moves),
            rewritten=tuple(address for address in fresh.rewritten if address in saved.rewritten),
        )

    def _over(self) -> list[str]:
        """Why the plan cannot be used any more, whatever it says."""
        reasons: list[str] = []
        own = self.own_runs
        if finished := next((run for run in own if run.outcome == _DONE), None):
            reasons.append(
                f"it was applied at {finished.finished} by {finished.holder}, and the objects have changed since"
            )
        elif undone := undone_by([run.id for run in own], self.runs):
            reasons.append(
                f"after it had been started, at {own[-1].started}, another run removed objects: {undone.command} by "
                f"{undone.holder} at {undone.started}"
            )
        if self.saved.is_over(self.now):
            reasons.append(f"it expired at {self.saved.binding.expires}")
        return reasons


def _latest_of(fresh: Plan, changes: Collection[ResourceChange]) -> tuple[LatestChange, ...]:
    """What happens to `latest` in the definitions that still change."""
    definitions = {change.address[:2] for change in changes}
    return tuple(change for change in fresh.latest if change.definition[:2] in definitions)
