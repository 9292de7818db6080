"""`OpenProject`: one project in one environment with its manifests, state and providers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from reconciler.manifests.loading.cache import CachedManifest, find_cached, load
from reconciler.manifests.manifest import Manifest
from reconciler.manifests.project import DEFAULT_ENVIRONMENT, Project
from reconciler.manifests.trust import Trust
from reconciler.ownership import HeldLease, held_lease
from reconciler.provenance import current_user
from reconciler.providers.protocol import Provider
from reconciler.providers.registry import ProviderConfig, create_provider
from reconciler.reporting import Reporter
from reconciler.state.opening import open_store
from reconciler.state.store import Lease, StateStore
from reconciler.state.waiting import patiently

if TYPE_CHECKING:
    from types import TracebackType


@dataclass
class OpenProject:
    """Each part is opened when it is first used, and closed on leaving the `with` block. A lease that is not renewed
    for `lease_ttl_s` seconds can be taken over."""

    directory: Path
    environment: str | None = None
    reporter: Reporter = field(default_factory=Reporter)
    lease_ttl_s: float = 60.0
    lock_timeout_s: float = field(default=0.0, kw_only=True)
    """How long to wait for galleries that another run holds a lease on."""
    trust: Trust = field(default_factory=Trust, kw_only=True)
    """What whoever runs this trusts beyond the project."""
    on_loaded: Callable[[Project], None] = field(default=lambda _: None, kw_only=True)
    """Called with the project before its state or a provider is opened."""

    @cached_property
    def _cached_manifest(self) -> CachedManifest | None:
        return find_cached(self.directory, self.environment, self.trust)

    @cached_property
    def _loaded(self) -> tuple[Project, Manifest]:
        self.reporter.stage("load")
        return load(self.directory, self.environment, self.trust)

    @cached_property
    def project(self) -> Project:
        """The project; its state is where whoever runs this says, if they do."""
        project = self._cached_manifest.project if self._cached_manifest else self._loaded[0]
        project = replace(project, state=self.trust.state) if self.trust.state else project
        self.on_loaded(project)
        return project

    @property
    def manifest(self) -> Manifest:
        return self._loaded[1]

    @cached_property
    def store(self) -> StateStore:
        """The state of this project in this environment: two environments never share one."""
        return self.store_at(self.project.state)

    def store_at(self, url: str, *, given: bool = False) -> StateStore:
        """Another store for the state of this project in this environment; the caller closes it. `given`: whoever runs
        the command has named it, so that it may be anywhere. Raises: StateError."""
        trust = replace(self.trust, state=url) if given else self.trust
        project, environment = self.project.name, self.project.environment
        owner = project if environment == DEFAULT_ENVIRONMENT else f"{project}/{environment}"
        return open_store(url, owner, self.directory, trust=trust)

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        """Every provider of the project file, by name."""
        return {
            name: create_provider(ProviderConfig(name, settings.type, settings.settings, self.directory, self.trust))
            for name, settings in self.project.providers.items()
        }

    def lease(
        self, galleries: frozenset[str], above: int = 0, stop: Callable[[], bool] = lambda: False
    ) -> AbstractContextManager[HeldLease]:
        """The lease of these galleries for the length of a `with` block, with a fence above `above`.

        Waits for other runs as long as `lock_timeout_s` says, and no longer once `stop` is true. Raises: LockHeld, on
        entering it.
        """

        def hold() -> AbstractContextManager[HeldLease]:
            return held_lease(self.store, galleries, current_user(), self.lease_ttl_s, above)

        return patiently(hold, self.lock_timeout_s, self.reporter.waiting, stop)

    def lease_of_all(self, store: StateStore) -> AbstractContextManager[Lease]:
        """A lease on everything in a store of this project, for the length of a `with` block; waits as `lease` does.

        It is not renewed: what takes long must check it at the end. Raises: LockHeld, on entering it.
        """

        @contextmanager
        def hold() -> Iterator[Lease]:
            lease = store.acquire_all(current_user(), self.lease_ttl_s)
            try:
                yield lease
            finally:
                store.release(lease)

        return patiently(hold, self.lock_timeout_s, self.reporter.waiting, lambda: False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "store" in self.__dict__:
            self.store.close()
        if "providers" in self.__dict__:
            for provider in self.providers.values():
                provider.close()
