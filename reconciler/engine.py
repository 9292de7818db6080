"""`Engine`: opens a project and wires the flow. Effects happen here and in what it calls, decisions elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.manifests.loading.cache import CachedManifest, load
from reconciler.manifests.loading.cache import find_cached as look
from reconciler.manifests.manifest import Manifest
from reconciler.manifests.project import DEFAULT_ENVIRONMENT, Project
from reconciler.providers.protocol import Provider, Reader
from reconciler.providers.registry import ProviderConfig, create_provider
from reconciler.reporting import Reporter
from reconciler.state.opening import open_store
from reconciler.state.records import Record, Run, State, Status
from reconciler.state.store import Lease, StateStore, StateWrite

if TYPE_CHECKING:
    from types import TracebackType

    from reconciler.applying.apply import ApplyResult
    from reconciler.applying.execution import Interrupt
    from reconciler.drift import DriftReport
    from reconciler.graph import ResourceGraph
    from reconciler.noop_cache import CachedNoOp
    from reconciler.planning.plan import Plan, PlanOptions
    from reconciler.planning.refresh import World


def utc_now() -> datetime:
    """The time, aware, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def whoami() -> str:
    """`user@host`, as leases and runs name their holder."""
    import getpass
    import socket

    return f"{getpass.getuser()}@{socket.gethostname()}"


def git_commit(directory: Path) -> str:
    """The commit that the manifests' folder is at; empty when it is not in a git checkout."""

    import subprocess

    command = ["git", "rev-parse", "--verify", "-q", "HEAD"]
    try:
        answer = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()


@dataclass(frozen=True, slots=True)
class AppliedPlan:
    """What an apply came to: its plan, and the result, or None when there was nothing to do or it was declined."""

    plan: Plan
    result: ApplyResult | None = None
    declined: bool = False


@dataclass
class Engine(AbstractContextManager["Engine"]):
    """One project in one environment. Opened lazily: what a command does not need is not loaded."""

    directory: Path
    environment: str | None = None
    reporter: Reporter = field(default_factory=Reporter)
    clock: Callable[[], datetime] = utc_now

    @cached_property
    def _cached_manifest(self) -> CachedManifest | None:
        return look(self.directory, self.environment)

    @cached_property
    def _loaded(self) -> tuple[Project, Manifest]:
        self.reporter.stage("load")
        return load(self.directory, self.environment)

    @property
    def project(self) -> Project:
        return self._cached_manifest.project if self._cached_manifest else self._loaded[0]

    @property
    def manifest(self) -> Manifest:
        return self._loaded[1]

    @cached_property
    def store(self) -> StateStore:
        """The state of this project in this environment: two environments never share one."""
        project, environment = self.project.name, self.project.environment
        owner = project if environment == DEFAULT_ENVIRONMENT else f"{project}/{environment}"
        return open_store(self.project.state, owner, self.directory)

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        """Every backend that a declared gallery uses, and the default one."""
        return {
            name: create_provider(ProviderConfig(name, settings.type, settings.settings, self.directory))
            for name, settings in self.project.providers.items()
        }

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "store" in self.__dict__:
            self.store.close()
        if "providers" in self.__dict__:
            for provider in self.providers.values():
                provider.close()

    def plan(self, options: PlanOptions, *, refresh: bool = True) -> Plan:
        """What there is to do. Reads only; an empty plan is remembered in the project's cache."""
        from reconciler.noop_cache import save
        from reconciler.planning.plan import PlanOptions

        plain = refresh and options == PlanOptions()
        if plain and (cached := self._cached_plan(options)):
            return cached
        state = self.store.read()
        to_cache = self._to_cache(state) if plain else None
        plan = self._plan(state, options, refresh=refresh)
        if to_cache and plan.applicable and not plan.changes:
            save(self._noop_path, replace(to_cache, unchanged=plan.unchanged))
        return plan

    def _cached_plan(self, options: PlanOptions) -> Plan | None:
        """The empty plan, if the last one was empty and neither manifests, state, objects nor sources have changed."""
        from reconciler.noop_cache import find, key_of, still_holds
        from reconciler.planning.plan import Plan

        find_cached = self._cached_manifest
        if find_cached is None or find_cached.dated:
            return None
        state = self.store.summary()
        cached = find(self._noop_path, key_of(find_cached.stamp, state))
        if cached is None:
            return None
        self.reporter.stage("refresh")
        if not still_holds(cached, self.store, self.providers):
            return None
        return Plan((), cached.unchanged, (), state.lineage, state.serial, find_cached.digest, options)

    def _to_cache(self, state: State) -> CachedNoOp | None:
        """What to remember if the plan turns out empty; nothing where dates or renamed objects must be looked at."""
        from reconciler.noop_cache import CachedNoOp, key_of, source_identities

        loaded = self.manifest.digest
        find_cached = look(self.directory, self.environment)
        renamed = any(record.named is not None for record in state.records.values())
        if find_cached is None or find_cached.dated or find_cached.digest != loaded or renamed or not state.records:
            return None
        return CachedNoOp(key_of(find_cached.stamp, state), 0, tuple(source_identities(state, self.providers)))

    @property
    def _noop_path(self) -> Path:
        return self.directory / ".reconciler" / "cache" / f"noop-{self.project.environment}.json"

    def _plan(self, state: State, options: PlanOptions, *, refresh: bool = True) -> Plan:
        from reconciler.planning.change_positions import with_positions
        from reconciler.planning.planner import PlanInputs, make_plan
        from reconciler.planning.refresh import as_recorded
        from reconciler.planning.source_checks import check_sources

        world = self._observe(state) if refresh else as_recorded(state)
        readers: Mapping[str, Reader] = self.providers
        sources = check_sources(self.manifest, state.records, readers, self.reporter.progress)
        self.reporter.stage("plan")
        plan = make_plan(
            PlanInputs(
                manifest=self.manifest,
                state=state,
                world=world,
                sources=sources,
                capabilities={name: reader.capabilities() for name, reader in readers.items()},
                options=options,
                now=self.clock(),
            )
        )
        return with_positions(plan, self.directory)

    def _observe(self, state: State, *, unmanaged: bool = False, deep: bool = False) -> World:
        from reconciler.planning.refresh import observe

        manifest = self.manifest
        self.reporter.stage("refresh")
        readers: Mapping[str, Reader] = self.providers
        progress = self.reporter.progress
        return observe(readers, manifest, state, unmanaged=unmanaged, deep=deep, progress=progress)

    def save_plan(self, plan: Plan, path: Path) -> None:
        """Writes a plan for `apply_saved`, signed with this state's key; a state that did not exist begins with it."""
        from reconciler.planning.plan_file import save_plan

        key = self.store.signing_key()
        bound = plan if plan.lineage else replace(plan, lineage=self.store.summary().lineage)
        save_plan(bound, self.project.environment, path, key)

    def load_plan(self, path: Path) -> Plan:
        """A saved plan, as it was saved. Raises: BadPlanFile."""
        from reconciler.planning.plan_file import load_plan

        return load_plan(path, self.project.environment, self.store.signing_key())

    def apply(
        self,
        options: PlanOptions,
        approve: Callable[[Plan], bool],
        interrupt: Interrupt,
        *,
        parallelism: int | None = None,
        refresh: bool = True,
        command: str = "apply",
    ) -> AppliedPlan:
        """Plans, asks `approve`, and applies under a lease. When the state has moved on by then, plans and asks again.

        Raises: PlanRefused, Unreachable, StateError.
        """
        self.recover(interrupt)
        plan = self.plan(options, refresh=refresh)
        if not self._wanted(plan, approve):
            return AppliedPlan(plan, declined=bool(plan.changes))
        with self._lease(plan.galleries) as lease:
            state = self.store.read()
            if state.serial != plan.serial:
                plan, before = self._plan(state, options, refresh=refresh), plan
                if plan.changes != before.changes and not self._wanted(plan, approve):
                    return AppliedPlan(plan, declined=bool(plan.changes))
            return AppliedPlan(plan, self._run(plan, state, lease, interrupt, parallelism, command))

    def apply_saved(
        self,
        path: Path,
        interrupt: Interrupt,
        *,
        approve: Callable[[Plan], bool] = lambda _: True,
        parallelism: int | None = None,
    ) -> AppliedPlan:
        """Asks `approve`, and applies a saved plan, after planning again has shown that it still says the same.

        Raises: BadPlanFile, StalePlan, PlanRefused, Unreachable, StateError.
        """
        from reconciler.errors import StalePlan
        from reconciler.planning.plan_file import stale_because

        saved = self.load_plan(path)
        self.recover(interrupt)
        if not self._wanted(saved, approve):
            return AppliedPlan(saved, declined=bool(saved.changes))
        with self._lease(saved.galleries) as lease:
            state = self.store.read()
            differences = stale_because(saved, self._plan(state, saved.options))
            if differences:
                raise StalePlan(differences)
            return AppliedPlan(saved, self._run(saved, state, lease, interrupt, parallelism, "apply"))

    def _wanted(self, plan: Plan, approve: Callable[[Plan], bool]) -> bool:
        """Whether there is something to do and it may be done. Raises: Unreachable, PlanRefused."""
        from reconciler.errors import PlanRefused, Unreachable

        if plan.unreachable:
            raise Unreachable(dict(plan.unreachable))
        if not plan.applicable:
            raise PlanRefused(plan)
        return bool(plan.changes) and approve(plan)

    def _run(
        self, plan: Plan, state: State, lease: Lease, interrupt: Interrupt, parallelism: int | None, command: str
    ) -> ApplyResult:

        import uuid

        from reconciler.applying.apply import apply_plan
        from reconciler.applying.execution import ApplyContext
        from reconciler.planning.plan_file import plan_digest

        started = self.clock().isoformat()
        run = Run(
            id=uuid.uuid4().hex[:12],
            command=command,
            holder=whoami(),
            started=started,
            git_commit=git_commit(self.directory),
            plan_digest=plan_digest(plan),
        )
        self.store.write(lease, StateWrite(put_runs=(run,)))
        self.reporter.stage("apply")
        result = apply_plan(
            replace(plan, lineage=state.lineage),
            ApplyContext(
                store=self.store,
                lease=lease,
                providers=self.providers,
                records=state.records,
                run=run.id,
                started=started,
                reporter=self.reporter,
                interrupt=interrupt,
                parallelism=parallelism or max(one.capabilities().workers for one in self.providers.values()),
            ),
        )
        outcome = "interrupted" if result.interrupted else "done" if result.complete else "failed"
        counts = {action.value: number for action, number in result.done.items()}
        over = replace(run, finished=self.clock().isoformat(), outcome=outcome, counts=counts)
        self.store.write(lease, StateWrite(put_runs=(over,)))
        return result

    def recover(self, interrupt: Interrupt) -> None:
        """Ends what earlier runs left: waits for operations that go on at their provider, and removes what interrupted
        ones left lying about. What came of them, planning reads."""
        state = self.store.read()
        if not state.intents:
            return
        from reconciler.applying.apply import recover

        with self._lease(frozenset(address.gallery for address in state.intents)) as lease:
            declared = self.manifest.resources.keys()
            recover(self.store.read(), self.providers, self.store, lease, self.reporter, interrupt, declared)

    def drift(self, *, deep: bool = False) -> DriftReport:
        """What is not as recorded. Reads only, and never waits for a lease."""
        from reconciler.drift import find_drift

        state = self.store.read()
        return find_drift(state, self._observe(state, unmanaged=True, deep=deep), self.manifest, self.clock().date())

    def latest(self, definition: Address) -> Mapping[str, str]:
        """Region -> the version that is `latest` there, of the usable replicas."""
        from reconciler.latest import latest_by_region
        from reconciler.planning.refresh import as_recorded

        state = self.store.read()
        world = as_recorded(state)
        replicas = [
            (address, bool(record.attributes.get("excludeFromLatest")))
            for address, record in state.records.items()
            if address.region and address.unit.parent == definition and address in world.matching
        ]
        return {region: version for (_, region), version in sorted(latest_by_region(replicas).items())}

    def validate(self) -> Manifest:
        """What is declared, once everything about it that can be told without looking at the world has been checked.

        Raises: ManifestError, ReferenceCycle.
        """
        from reconciler.graph import check_references

        declared = self.manifest.resources.items()
        check_references((one, address) for address, resource in declared for one in resource.references if one.version)
        return self.manifest

    def graph(self, root: Address | None = None) -> tuple[ResourceGraph, tuple[Address, ...]]:
        """The graph of what is declared, and the nodes in `root`, or all of them.

        Raises: ReconcilerError when nothing of that name is declared.
        """
        from reconciler.graph import resource_graph
        from reconciler.names import within

        nodes = [address for address in self.manifest.resources if root is None or within(address, root)]
        if root is not None and not nodes:
            raise ReconcilerError(f"not declared: {root}", "see what is: reconciler graph")
        return resource_graph(self.manifest.resources), tuple(nodes)

    # Records: looked at, and changed without touching objects.

    def state(self) -> State:
        """A snapshot of everything recorded."""
        return self.store.read()

    def runs(self, limit: int = 3) -> tuple[Run, ...]:
        """The latest runs, newest first."""
        return self.store.runs(limit)

    def recorded(self, address: Address) -> Record:
        """The record of one object. Raises: ReconcilerError when there is none."""
        return self._recorded((address,))[0]

    def forget(self, addresses: tuple[Address, ...]) -> tuple[Address, ...]:
        """Drops records and journal entries, with all that is inside, and says which; the objects stay.

        Raises: ReconcilerError when one is not recorded.
        """
        from reconciler.names import within

        state = self.store.read()
        known = state.records.keys() | state.intents.keys()
        _refuse_unknown([address for address in addresses if address not in known])
        inside = tuple(
            address
            for address in sorted(known, key=lambda one: one.sort_key)
            if any(within(address, wanted) for wanted in addresses)
        )
        with self._lease(frozenset(address.gallery for address in inside)) as lease:
            self.store.write(lease, StateWrite(forget=inside, clear_intents=inside))
        return inside

    def move(self, source: Address, target: Address) -> tuple[tuple[Address, Address], ...]:
        """Records what is recorded under `source`, and in it, under `target` from now on; (before, after) of each.

        Raises: ReconcilerError when that is not possible.
        """
        from reconciler.names import renamed, within

        self.recorded(source)
        state = self.store.read()
        if source.kind is not target.kind or target.region:
            raise ReconcilerError(
                f"{source} cannot become {target}", "a move keeps the kind, and a target region cannot be renamed"
            )
        if any(within(address, source) for address in state.intents):
            raise ReconcilerError(f"{source} has operations that are not settled", "run first: reconciler apply")
        if target.parent is not None and target.parent not in state.records:
            raise ReconcilerError(f"{target.parent} is not recorded", "it must be applied before something moves there")
        addresses = sorted((at for at in state.records if within(at, source)), key=lambda one: one.sort_key)
        moves = tuple((address, renamed(address, source, target)) for address in addresses)
        with self._lease(frozenset({source.gallery, target.gallery})) as lease:
            self.store.write(lease, StateWrite(moves=moves))
        return moves

    def mark(self, addresses: tuple[Address, ...], *, tainted: bool) -> tuple[Address, ...]:
        """Marks these very objects as ones that must be replaced, or takes the mark away; says which.

        Raises: ReconcilerError when one is not recorded.
        """
        status = Status.TAINTED if tainted else Status.READY
        records = tuple(replace(record, status=status) for record in self._recorded(addresses))
        with self._lease(frozenset(address.gallery for address in addresses)) as lease:
            self.store.write(lease, StateWrite(put_records=records))
        return addresses

    def _recorded(self, addresses: tuple[Address, ...]) -> tuple[Record, ...]:
        records = self.store.read().records
        _refuse_unknown([address for address in addresses if address not in records])
        return tuple(records[address] for address in addresses)

    def holding(self, galleries: frozenset[str]) -> AbstractContextManager[Lease]:
        """The lease of these galleries for the length of a `with` block. Raises: LockHeld."""
        return self._lease(galleries)

    def _lease(self, galleries: frozenset[str]) -> _Held:
        return _Held(self.store, self.store.acquire(galleries, whoami()))


def _refuse_unknown(addresses: list[Address]) -> None:
    if addresses:
        raise ReconcilerError(f"not recorded: {', '.join(map(str, addresses))}", "see what is: reconciler state list")


@dataclass
class _Held(AbstractContextManager[Lease]):
    """A lease for the length of a `with` block."""

    store: StateStore
    lease: Lease

    def __enter__(self) -> Lease:
        return self.lease

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.release(self.lease)
