"""The `local` backend: directories are regions, and images are files in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.errors import ProviderError
from reconciler.providers.local import object_names, scan
from reconciler.providers.local.disk_sources import SUPPORTED, Sources
from reconciler.providers.local.object_paths import Places
from reconciler.providers.local.settings import read_settings
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
    """The backend for these settings. Raises: ProviderError when they cannot be understood."""
    return LocalProvider(Places(read_settings(config)), str(config.project_dir))


class LocalProvider:
    """A `Provider` on directories. Every operation is done when `begin` returns."""

    def __init__(self, places: Places, project: str) -> None:
        self._places = places
        self._sources = Sources(places, project)

    def capabilities(self) -> Capabilities:
        return Capabilities(
            regions=self._places.regions.names,
            sources=SUPPORTED,
            sharing=frozenset({"Private"}),
            replication_modes=frozenset({"Full", "Shallow"}),
            workers=2 * (os.cpu_count() or 1),
        )

    def scan(self, scope: Scope, progress: ProgressCallback | None = None) -> Scan:
        return scan.scan(self._places, scope, progress)

    def read(self, address: Address) -> Observed | None:
        return scan.read(self._places, address)

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

    def begin(self, operation: Operation, progress: ProgressCallback) -> Done:
        for step in operation.steps:
            object_names.check_names(step.address)
        from reconciler.providers.local.operation_runner import OperationRun  # looking does not need what writing does

        return Done(OperationRun(self._places, self._sources, operation, progress).results())

    def poll(self, handle: Mapping[str, Any], progress: ProgressCallback) -> NoReturn:  # noqa: ARG002 - the protocol's
        raise ProviderError(f"the local provider left nothing in progress: {dict(handle)}. This is a bug.")

    def tidy(self, addresses: Sequence[Address], lineage: str, declared: Collection[Address] = ()) -> None:  # noqa: ARG002 - the protocol's
        from reconciler.providers.local.documents import Documents
        from reconciler.providers.local.replicas import Replicas

        documents, replicas = Documents(self._places, lineage), Replicas(self._places, lineage, lambda *_: None)
        for address in addresses:
            if address.region:
                replicas.tidy(address)
            else:
                documents.tidy(address)

    def close(self) -> None:
        """Nothing stays open between operations."""
