"""The `local` provider: directories are regions, and images are files in them that anybody can read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from manifests.address import Address
from providers.errors import ProviderError, Unavailable
from providers.local.layout import check_names
from providers.local.scanning import Scanner
from providers.local.settings import Regions, read_settings
from providers.local.sources import STYLES, Sources
from providers.protocol import (
    Capabilities,
    Done,
    InProgress,
    Observed,
    Operation,
    ProgressCallback,
    Provider,
    Results,
    Scan,
    Scope,
    SourceFacts,
)
from providers.registry import ProviderConfig

if TYPE_CHECKING:
    from providers.local.descriptions import Descriptions
    from providers.local.syncing import Flusher


def create_provider(config: ProviderConfig) -> Provider:
    """The provider for `config`. Raises: ProviderError when its settings are wrong."""
    return LocalProvider(read_settings(config), str(config.project_dir))


class LocalProvider:
    """Every operation is done when `begin` returns. Safe to use from several threads."""

    def __init__(self, regions: Regions, project: str) -> None:
        self._regions = regions
        self._sources = Sources(regions, project)

    @cached_property
    def _flusher(self) -> Flusher:
        from providers.local.syncing import Flusher

        return Flusher()

    @cached_property
    def _descriptions(self) -> Descriptions:
        from providers.local.descriptions import Descriptions

        return Descriptions(self._regions, self._flusher)

    def capabilities(self) -> Capabilities:
        return Capabilities(
            regions=self._regions.names, sources=STYLES, replication_modes=frozenset({"Full", "Shallow"})
        )

    def scan(self, scope: Scope, progress: ProgressCallback | None = None) -> Scan:
        return Scanner(self._regions, scope, progress).scan()

    def read(self, address: Address) -> Observed | None:
        scan = self.scan(Scope({address: None}))
        if scan.unreachable:
            raise Unavailable(next(iter(scan.unreachable.values())), "make it readable, then try again")
        return scan.observed.get(address)

    def source_identity(self, source: Mapping[str, Any]) -> str:
        return self._sources.identity(source)

    def source_facts(self, source: Mapping[str, Any]) -> SourceFacts:
        return self._sources.facts(source)

    def source_digest(self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None = None) -> str:
        return self._sources.digest(source, progress)

    def begin(self, operation: Operation, progress: ProgressCallback) -> Done | InProgress:
        for address in (operation.unit, *(step.address for step in operation.steps)):
            check_names(address)
        if operation.unit.version:
            from providers.local.versions import VersionOperation

            work = VersionOperation(
                self._regions, self._sources, self._descriptions, self._flusher, operation, progress
            )
            return Done(work.run())
        return Done(self._describe(operation))

    def _describe(self, operation: Operation) -> Results:
        results: dict[Address, Any] = {}
        for step in operation.steps:
            try:
                results[step.address] = self._descriptions.apply(step, operation.lineage)
            except ProviderError as error:
                results[step.address] = error
        return results

    def poll(self, handle: Mapping[str, Any], progress: ProgressCallback) -> Done | InProgress:
        raise ProviderError(
            f"the local provider leaves nothing in progress, yet was asked for {handle}. This is a bug."
        )

    def close(self) -> None:
        if "_flusher" in self.__dict__:
            self._flusher.close()
