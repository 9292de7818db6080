"""The `local` backend: directories are regions, and images are files in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.trust import Trust
from reconciler.manifests.values import Attributes
from reconciler.providers.base import BaseProvider
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.local.directories.regions import configured_regions
from reconciler.providers.local.disk_sources import SUPPORTED, DiskSources
from reconciler.providers.local.observation import scan
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import (
    Capabilities,
    Done,
    Observed,
    Operation,
    ProgressCallback,
    Scan,
    Scope,
    SourceFacts,
)
from reconciler.providers.registry import ProviderConfig


def create_provider(config: ProviderConfig) -> LocalProvider:
    """The backend for these settings."""
    return LocalProvider(ObjectPaths(configured_regions(config)), str(config.project_dir), config.trust)


class LocalProvider(BaseProvider):
    """A `Provider` on directories. Every operation is complete when `begin` returns."""

    def __init__(self, paths: ObjectPaths, project: str, trust: Trust | None = None) -> None:
        self._paths = paths
        self._sources = DiskSources(paths, project, trust)

    def capabilities(self) -> Capabilities:
        return Capabilities(
            regions=self._paths.regions.names,
            sources=SUPPORTED,
            sharing=frozenset({"Private"}),
            replication_modes=frozenset({"Full", "Shallow"}),
            keeps_protection=True,
            stages_replacements=True,
            workers=2 * (os.cpu_count() or 1),
        )

    def scan(self, scope: Scope, progress: ProgressCallback | None = None) -> Scan:
        self._paths.regions.recorded.update({region: place for region, place in scope.places.items() if region})
        return scan.scan(self._paths, scope, progress)

    def read(self, address: Address) -> Observed | None:
        return scan.read(self._paths, address)

    def source_identity(self, source: Mapping[str, Any]) -> str:
        return self._sources.identity(source)

    def source_facts(
        self,
        source: Mapping[str, Any],
        definition: Attributes | None = None,  # noqa: ARG002 - the protocol's
    ) -> SourceFacts:
        return self._sources.facts(source)

    def source_digest(self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None = None) -> str:
        return self._sources.digest(source, progress)

    def claim(self, regions: Collection[str], writer: Writer) -> Mapping[str, str]:
        from reconciler.providers.local.directories.places import claim

        named = sorted(region for region in regions if region)  # galleries are in their home regions
        claimed = {region: claim(self._paths.regions, region, writer) for region in named}
        self._paths.regions.recorded.update(claimed)
        return claimed

    def begin(self, operation: Operation, progress: ProgressCallback) -> Done:
        for step in operation.steps:
            object_names.check_names(step.address)
        from reconciler.providers.local.writing.operation_runner import OperationRunner  # a plan does not need it

        return Done(OperationRunner(self._paths, self._sources, operation, progress).results())

    def tidy(self, addresses: Sequence[Address], writer: Writer, declared: Collection[Address] = ()) -> None:  # noqa: ARG002 - the protocol's
        from reconciler.providers.common import containers
        from reconciler.providers.local.writing.containers import ContainerFiles
        from reconciler.providers.local.writing.tidying import Tidying

        containers.tidy(addresses, ContainerFiles(self._paths, writer), Tidying(self._paths, writer))
