"""`Engine`: what can be done with a project. Effects happen here and in what it calls; decisions are made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.manifest import Manifest
from reconciler.ownership import HeldLease, writer_of
from reconciler.project_plans import ProjectPlans
from reconciler.state.errors import LockHeld, StaleWrite
from reconciler.state.records import Run, State
from reconciler.state.store import StateWrite

if TYPE_CHECKING:
    from reconciler.applying.apply import ApplyResult
    from reconciler.applying.context import Interrupt
    from reconciler.drift.live_latest import LiveLatest
    from reconciler.drift.report import DriftReport
    from reconciler.graph import ResourceGraph
    from reconciler.planning.plan import Plan, PlanOptions
    from reconciler.records import Records
    from reconciler.state.upkeep import Change


_ALL_RUNS = 100_000


@dataclass(frozen=True, slots=True)
class AppliedPlan:
    """How an apply ended: its plan, and the result, None when there was nothing to do or the plan was declined.
    `finished` is the run that had already applied all of a saved plan."""

    plan: Plan
    result: ApplyResult | None = None
    declined: bool = False
    finished: Run | None = None


@dataclass
class Engine(ProjectPlans):
    """What can be done with a project. Modules that a command does not need are not imported."""

    def apply(
        self,
        options: PlanOptions,
        approve: Callable[[Plan], bool],
        interrupt: Interrupt,
        *,
        parallelism: int | None = None,
        refresh: bool = True,
        bind_sources: bool = True,
        command: str = "apply",
    ) -> AppliedPlan:
        """Plans, asks `approve`, and applies under a lease. If the state has changed by then, plans and asks again.
        `bind_sources`: read the content of new sources before, and refuse to publish any other; not needed when nobody
        looks at the plan.

        Raises: PlanRefused, Unreachable, StateError, LeaseLost.
        """
        self.recover(interrupt)
        plan = self.plan(options, refresh=refresh, bind_sources=bind_sources)
        if not _approved(plan, approve):
            self._record_reread(plan)
            return AppliedPlan(plan, declined=bool(plan.changes))
        with self.lease(plan.galleries, self._fence_seen, interrupt.requested) as lease:
            state = self.store.read()
            if state.serial != plan.serial:
                plan, before = self._plan(state, options, refresh=refresh, bind_sources=bind_sources), plan
                if plan.changes != before.changes and not _approved(plan, approve):
                    return AppliedPlan(plan, declined=bool(plan.changes))
            return AppliedPlan(plan, self._run(plan, state, lease, interrupt, parallelism, command))

    def _record_reread(self, plan: Plan) -> None:
        """Records what was read again where there is nothing else to do, unless the state has changed since."""
        from reconciler.applying.rereading import galleries_of, reread_write

        if plan.changes or not plan.reread:
            return
        with suppress(LockHeld), self.lease(galleries_of(plan)) as lease:  # a later apply records it as well
            if self.store.summary().serial == plan.serial:
                self.store.write(lease, reread_write(plan, lease.galleries))

    def apply_saved(
        self,
        path: Path,
        interrupt: Interrupt,
        *,
        approve: Callable[[Plan], bool] = lambda _: True,
        approvers: Path | None = None,
        parallelism: int | None = None,
    ) -> AppliedPlan:
        """Plans again, asks `approve`, and applies the saved plan if the new one decides the same: all of it, or what
        an earlier run of it has left. `approvers`: one of these keys must have approved it.

        Raises: BadPlanFile, NotApproved, StalePlan, PlanRefused, Unreachable, StateError, LeaseLost.
        """
        from reconciler.planning.saved.use import SavedPlanUse

        saved = self.load_plan(path)
        self._source_digests.plain = saved.plain
        if approvers is not None:
            from reconciler.planning.saved.approvals import require_approval

            require_approval(saved, approvers)
        self.recover(interrupt)

        def remaining(state: State) -> tuple[Plan, Run | None]:
            use = SavedPlanUse(saved, self.project, self.store.runs(_ALL_RUNS), self.clock())
            plan = use.remaining(self._plan(state, saved.plan.options), state)
            return plan, use.last_run if use.is_finished(plan) else None

        state = self.store.read()
        plan, finished = remaining(state)
        if finished or not _approved(plan, approve):
            return AppliedPlan(plan, declined=bool(plan.changes), finished=finished)
        while True:
            with self.lease(saved.plan.galleries, self._fence_seen, interrupt.requested) as lease:
                if (now := self.store.read()).serial != state.serial:
                    state, (plan, finished) = now, remaining(now)
                if finished:
                    return AppliedPlan(plan, finished=finished)
                if lease.fence > self._fence_seen:  # else objects are of later runs than this state knows of
                    return AppliedPlan(plan, self._run(plan, now, lease, interrupt, parallelism, "apply", saved.digest))

    def _run(
        self,
        plan: Plan,
        state: State,
        lease: HeldLease,
        interrupt: Interrupt,
        parallelism: int | None,
        command: str,
        saved: str = "",
    ) -> ApplyResult:
        """Applies a plan, and records the run before and after. `saved` is the digest of the file that it came from."""
        from reconciler.applying.apply import apply_plan
        from reconciler.applying.context import ApplyContext
        from reconciler.applying.places import claim_places
        from reconciler.applying.rereading import reread_write
        from reconciler.applying.runs import finished_run, new_run
        from reconciler.naming.moves import write_of

        run = new_run(plan, command, self.clock(), self.directory, saved)
        self.store.write(lease, StateWrite(put_runs=(run,), keep_runs=self.project.keep_runs))
        if plan.moves:
            from reconciler.state.upkeep import Change

            renames = dict(plan.moves)
            moved = tuple(Change(new, f"moved from {old}", run.id) for old, new in renames.items())
            self.store.write(lease, replace(write_of(state, renames), put_changes=moved))
            state = self.store.read()
        self.reporter.stage("apply")
        context = ApplyContext(
            store=self.store,
            lease=lease,
            writer=writer_of(state, lease, lease.require),
            providers=self.providers,
            records=state.records,
            run=run.id,
            started=run.started,
            reporter=self.reporter,
            interrupt=interrupt,
            parallelism=parallelism or max(each.capabilities().workers for each in self.providers.values()),
        )
        claim_places(plan, state, context)
        if again := reread_write(plan, lease.galleries):
            self.store.write(lease, again)
        result = apply_plan(replace(plan, lineage=state.lineage), context)
        sealed = not state.sealed and result.complete and not (plan.options.targets or plan.options.excludes)
        with suppress(StaleWrite):  # all of the result is recorded: only the end of the run is not
            end = finished_run(run, result, self.clock())
            self.store.write(lease, StateWrite(put_runs=(end,), sealed=sealed))
        return result

    def recover(self, interrupt: Interrupt) -> None:
        """Ends what earlier runs left in the journal: waits for operations that continue at their provider, and removes
        what interrupted ones left. The next plan reads how they ended."""
        unfinished = self.store.read().intents
        if not unfinished:
            return
        from reconciler.applying.recovery import RecoveryContext, recover

        with self.lease(
            frozenset(address.gallery for address in unfinished), self._fence_seen, interrupt.requested
        ) as lease:
            state = self.store.read()
            writer = writer_of(state, lease, lease.require)
            context = RecoveryContext(self.store, lease, writer, self.providers, self.reporter, interrupt)
            recover(state, context, self.manifest.resources.keys())

    def drift(self, *, deep: bool = False) -> DriftReport:
        """Where objects differ from their records. Reads only, and never waits for a lease."""
        from reconciler.drift.comparison import find_drift

        state = self.store.read()
        world = self._observe(state, unmanaged=True, deep=deep)
        return find_drift(state, world, self.manifest, self.clock().date(), self._busy())

    def latest(self, definition: Address) -> Mapping[str, str]:
        """Region -> the version that is `latest` there, among the usable replicas, as recorded.

        Raises: ReconcilerError when there is no such definition.
        """
        from reconciler.latest import latest_of, require_definition

        state = self.store.read()
        require_definition(definition, state, lambda: self.manifest.resources)
        return latest_of(definition, state)

    def live_latest(self, definition: Address) -> LiveLatest:
        """What `latest` is in each region now, asked of the provider, whoever published it.

        Raises: ReconcilerError when there is no such definition.
        """
        from reconciler.drift.live_latest import live_latest, only
        from reconciler.latest import require_definition
        from reconciler.planning.refresh import observe

        state = self.store.read()
        require_definition(definition, state, lambda: self.manifest.resources)
        state, manifest = only(definition, state, self.manifest)
        self.reporter.stage("refresh")
        world = observe(self.providers, manifest, state, unmanaged=True, progress=self.reporter.progress)
        return live_latest(definition, state, world)

    def validate(self) -> Manifest:
        """What is declared, after every check that needs no provider; a state's URL that a plan would refuse to use is
        an error too.

        Raises: ManifestError, ReferenceCycle.
        """
        from reconciler.graph import check_references, declared_references
        from reconciler.planning.checks.retired_sources import undeclared_source_warnings

        resources = self.manifest.resources
        self._check_state_url()
        check_references(declared_references(resources))
        return replace(self.manifest, warnings=(*self.manifest.warnings, *undeclared_source_warnings(resources)))

    def _check_state_url(self) -> None:
        from reconciler.manifests.parsing.files import PROJECT_FILE
        from reconciler.manifests.parsing.problem_reports import refuse
        from reconciler.manifests.problems import Problem
        from reconciler.manifests.resource import Origin
        from reconciler.state.errors import StateError
        from reconciler.state.opening import check_url

        try:
            check_url(self.project.state, self.directory, self.trust)
        except StateError as error:
            environment = self.project.environment
            path = ("state",) if self.environment is None else ("environments", environment, "state")
            refuse(self.directory, [Problem(Origin(PROJECT_FILE, 0), path, f"state: {error.message}", error.remedy)])

    def graph(self, root: Address | None = None) -> tuple[ResourceGraph, tuple[Address, ...]]:
        """The graph of everything declared, and the addresses in `root`, or all of them.

        Raises: ReconcilerError when nothing is declared there.
        """
        from reconciler.graph import resource_graph
        from reconciler.naming.object_names import within

        nodes = [address for address in self.manifest.resources if root is None or within(address, root)]
        if root is not None and not nodes:
            raise ReconcilerError(f"not declared: {root}", "list what is declared: reconciler graph")
        return resource_graph(self.manifest.resources), tuple(nodes)

    def state(self) -> State:
        """A snapshot of everything recorded."""
        return self.store.read()

    def runs(self, limit: int = 3) -> tuple[Run, ...]:
        """The latest runs, newest first."""
        return self.store.runs(limit)

    def changes(self, address: Address, limit: int) -> tuple[tuple[Change, Run | None], ...]:
        """Who changed an address and everything inside it, newest first, with the run that did it."""
        changes = self.store.changes(address, limit)
        runs = {run.id: run for run in self.store.runs(self.project.keep_runs)} if changes else {}
        return tuple((change, runs.get(change.run)) for change in changes)

    @cached_property
    def records(self) -> Records:
        """The records, to be looked up and edited without touching objects."""
        from reconciler.records import Records

        return Records(self.store, self.lease)


def _approved(plan: Plan, approve: Callable[[Plan], bool]) -> bool:
    """Whether there is something to do and it may be done. Raises: Unreachable, PlanRefused."""
    from reconciler.errors import PlanRefused, Unreachable

    if plan.unreachable:
        raise Unreachable(dict(plan.unreachable))
    if not plan.applicable:
        raise PlanRefused(plan)
    return bool(plan.changes) and approve(plan)
