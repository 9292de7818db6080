"""`ProjectPlans`: the plans of a project: made from its manifests, state and objects, saved, and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.loading.cache import find_cached
from reconciler.open_project import OpenProject
from reconciler.provenance import utc_now
from reconciler.providers.protocol import Reader
from reconciler.state.records import State

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan, PlanOptions
    from reconciler.planning.refresh import World
    from reconciler.planning.saved.plan_file import SavedPlan
    from reconciler.planning.source_digests import SourceDigests


@dataclass
class ProjectPlans(OpenProject):
    """Plans, without effects on objects. Modules that a plan does not need are not imported."""

    clock: Callable[[], datetime] = utc_now
    _fence_seen: int = field(default=0, init=False, repr=False)

    def plan(self, options: PlanOptions, *, refresh: bool = True, bind_sources: bool = True) -> Plan:
        """The changes that apply would make. Reads only, except that an empty plan is saved in the project's cache, and
        so are the digests of large images. `bind_sources`: read the content of all new sources."""
        from reconciler import noop_cache
        from reconciler.planning.plan import PlanOptions

        if self.trust.untrusted:
            return self._plan_of_stranger(options)
        if not refresh or options != PlanOptions():
            return self._plan(self.store.read(), options, refresh=refresh, bind_sources=bind_sources)
        if cached := self._cached_plan(options):
            return cached
        stamp, state, digest = self.store.stamp(), self.store.read(), self.manifest.digest
        loaded = find_cached(self.directory, self.environment, self.trust)  # loading has just put it there
        entry = noop_cache.prepare(loaded, digest, state, stamp, self.providers)
        plan = self._plan(state, options, bind_sources=bind_sources)
        if entry and plan.applicable and not plan.changes:
            noop_cache.save(self._noop_path, replace(entry, unchanged=plan.unchanged))
        return plan

    def _cached_plan(self, options: PlanOptions) -> Plan | None:
        """The empty plan, if the last one was empty and neither manifests, state, objects nor sources have changed."""
        from reconciler.noop_cache import find, still_holds
        from reconciler.planning.plan import Plan

        manifest = self._cached_manifest
        if manifest is None or manifest.dated:
            return None
        state = self.store.summary()
        cached = find(self._noop_path, manifest, state, self.store.stamp())
        if cached is None:
            return None
        self.reporter.stage("refresh")
        if not still_holds(cached, self.store, self.providers):
            return None
        return Plan((), cached.unchanged, (), state.lineage, state.serial, manifest.digest, options)

    @property
    def _noop_path(self) -> Path:
        return self.directory / ".reconciler" / "cache" / f"noop-{self.project.environment}.json"

    @cached_property
    def _source_digests(self) -> SourceDigests:
        from reconciler.planning.source_digests import SourceDigests

        return SourceDigests(self.directory / ".reconciler" / "cache" / "digests.json")

    def _plan(self, state: State, options: PlanOptions, *, refresh: bool = True, bind_sources: bool = True) -> Plan:
        from reconciler.naming.moves import plan_moves
        from reconciler.planning.change_positions import with_positions
        from reconciler.planning.draft import PlanInputs
        from reconciler.planning.guard.strangers import has_to_look_inside
        from reconciler.planning.planner import make_plan
        from reconciler.planning.refresh import as_recorded
        from reconciler.planning.source_checks import check_sources

        if not state.records:
            from reconciler.maintenance.migration import refuse_forgotten_state

            refuse_forgotten_state(self, state)
        state, moves = plan_moves(state, self.manifest.moves)
        world = self._observe(state, unmanaged=options.destroy) if refresh else as_recorded(state)
        readers: Mapping[str, Reader] = self.providers
        digests = self._source_digests if bind_sources and not options.destroy else None
        sources = check_sources(self.manifest, state.records, readers, self.reporter.progress, digests)
        self.reporter.stage("plan")
        inputs = PlanInputs(
            manifest=self.manifest,
            state=state,
            world=world,
            moves=moves,
            sources=sources,
            capabilities={name: reader.capabilities() for name, reader in readers.items()},
            options=options,
            busy=self._busy(),
            now=self.clock(),
        )
        plan = make_plan(inputs)
        if refresh and not options.destroy and has_to_look_inside(plan):
            plan = make_plan(replace(inputs, world=self._observe(state, unmanaged=True)))
        return with_positions(plan, self.directory, self.trust)

    def _plan_of_stranger(self, options: PlanOptions) -> Plan:
        """A plan made from what is in the project's folder: no provider is created, and nothing else is opened."""
        from reconciler.naming.moves import plan_moves
        from reconciler.planning.change_positions import with_positions
        from reconciler.planning.draft import PlanInputs
        from reconciler.planning.planner import make_plan
        from reconciler.planning.refresh import as_recorded
        from reconciler.planning.source_checks import check_sources
        from reconciler.planning.source_digests import SourceDigests
        from reconciler.unread_providers import NOT_READ, UnreadProvider

        state, not_read = self._state_of_stranger()
        state, moves = plan_moves(state, self.manifest.moves)
        readers = {name: UnreadProvider(self.directory) for name in self.project.providers}
        sources = check_sources(self.manifest, state.records, readers, self.reporter.progress, SourceDigests())
        inputs = PlanInputs(
            manifest=self.manifest,
            state=state,
            world=as_recorded(state),
            moves=moves,
            sources=sources,
            capabilities={name: reader.capabilities() for name, reader in readers.items()},
            options=options,
            now=self.clock(),
        )
        plan = replace(make_plan(inputs), not_read=(*NOT_READ, *not_read))
        return with_positions(plan, self.directory, self.trust)

    def _state_of_stranger(self) -> tuple[State, tuple[str, ...]]:
        """The state if it is a file in the project's folder, else an empty one; and a phrase where it was not read."""
        from reconciler.state.errors import StateError
        from reconciler.state.opening import check_url

        try:
            check_url(self.project.state, self.directory, self.trust)
        except StateError:
            return State("", 0, self.project.name), ("the state, so that everything shows as new",)
        return self.store.read(), ()

    def _busy(self) -> Mapping[str, str]:
        """Gallery -> who else is changing it just now, as "being changed by ..."."""
        return {held.gallery: f"being changed by {held.holder}, since {held.since}" for held in self.store.holders()}

    def _observe(self, state: State, *, unmanaged: bool = False, deep: bool = False) -> World:
        from reconciler.planning.refresh import observe

        manifest = self.manifest
        self.reporter.stage("refresh")
        readers: Mapping[str, Reader] = self.providers
        progress = self.reporter.progress
        world = observe(readers, manifest, state, unmanaged=unmanaged, deep=deep, progress=progress)
        self._fence_seen = max(self._fence_seen, world.fence)
        return world

    def save_plan(self, plan: Plan, path: Path, *, lasts: timedelta | None = timedelta(days=7)) -> None:
        """Writes a plan for `apply_saved`, signed with this state's key, for as long as it `lasts`; None for ever.
        Creates the state if it does not exist. Raises: ReconcilerError for a plan that did not look at everything."""
        if plan.not_read:
            raise ReconcilerError("a plan of a project that is not trusted is never applied", "Make a plan that is.")
        from reconciler.planning.saved.bindings import bind
        from reconciler.planning.saved.plan_file import save_plan

        key, state = self.store.signing_key(), self.store.read()
        bound = replace(plan, lineage=plan.lineage or state.lineage, reread=())
        save_plan(bound, bind(bound, self.project, state, self.clock(), lasts), path, key)

    def load_plan(self, path: Path) -> SavedPlan:
        """A plan that `save_plan` wrote. Raises: BadPlanFile."""
        from reconciler.planning.saved.plan_file import load_plan

        return load_plan(path, self.project.environment, self.store.signing_key())
