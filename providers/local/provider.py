"""The `local` backend: directories are regions, and images are files in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from manifests.address import Address
from manifests.values import Attributes
from providers.disk_formats import DiskFormat
from providers.errors import ProviderError, SourceError
from providers.local import layout, scanning
from providers.local.copying import Extent
from providers.local.documents import Documents
from providers.local.places import Places
from providers.local.replicas import Replicas, disk_facts
from providers.local.settings import read_settings
from providers.local.sources import SUPPORTED, SourceDisk, Sources, combined_digest
from providers.protocol import (
    Applied,
    Capabilities,
    Done,
    Observed,
    Operation,
    ProgressCallback,
    Scan,
    Scope,
    SourceFacts,
    Step,
    Verb,
)
from providers.registry import ProviderConfig

_COPYING = (Verb.CREATE, Verb.REPLACE)


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
        )

    def scan(self, scope: Scope, progress: ProgressCallback | None = None) -> Scan:
        return scanning.scan(self._places, scope, progress)

    def read(self, address: Address) -> Observed | None:
        return scanning.read(self._places, address)

    def source_identity(self, source: Mapping[str, Any]) -> str:
        return self._sources.identity(source)

    def source_facts(self, source: Mapping[str, Any]) -> SourceFacts:
        return self._sources.facts(source)

    def source_digest(self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None = None) -> str:
        return self._sources.digest(source, progress)

    def begin(self, operation: Operation, progress: ProgressCallback) -> Done:
        for step in operation.steps:
            layout.check_names(step.address)
        return Done(_Run(self._places, self._sources, operation, progress).results())

    def poll(self, handle: Mapping[str, Any], progress: ProgressCallback) -> NoReturn:  # noqa: ARG002 - the protocol's
        raise ProviderError(f"the local provider left nothing in progress: {dict(handle)}. This is a bug.")

    def tidy(self, addresses: Sequence[Address], lineage: str) -> None:
        documents, replicas = Documents(self._places, lineage), Replicas(self._places, lineage, lambda *_: None)
        for address in addresses:
            if address.region:
                replicas.tidy(address)
            else:
                documents.tidy(address)

    def close(self) -> None:
        """Nothing stays open between operations."""


class _Run:
    """One operation: its steps in their order, those that copy together."""

    def __init__(self, places: Places, sources: Sources, operation: Operation, progress: ProgressCallback) -> None:
        self._sources = sources
        self._operation = operation
        self._documents = Documents(places, operation.lineage)
        self._replicas = Replicas(places, operation.lineage, progress)
        self._results: dict[Address, Applied | ProviderError] = {}

    def results(self) -> dict[Address, Applied | ProviderError]:
        steps = self._operation.steps
        copying = [step for step in steps if step.address.region and step.verb in _COPYING]
        own = next((step for step in steps if not step.address.region and step.verb is not Verb.DELETE), None)
        disks = self._copy(copying) if copying else None
        if own is not None:
            self._write_own(own, copying, disks)
        for step in steps:
            if step not in copying and step is not own:
                self._attempt(step)
        return self._results

    def _write_own(self, own: Step, copying: Sequence[Step], disks: dict[str, Any] | None) -> None:
        """The unit's description. A version none of whose regions could be made is not made either."""
        failures = [self._results[step.address] for step in copying]
        errors = [failure for failure in failures if isinstance(failure, ProviderError)]
        if own.verb is Verb.CREATE and errors and len(errors) == len(copying):
            self._results[own.address] = errors[0]
            return
        computed = {"disks": disks} if disks else None
        try:
            self._results[own.address] = self._documents.apply(own, computed)
        except ProviderError as error:
            self._results[own.address] = error

    def _attempt(self, step: Step) -> None:
        if step.verb is Verb.DELETE and self._child_failed(step):
            return
        try:
            if not step.address.region:
                self._results[step.address] = self._documents.apply(step)
            elif step.verb is Verb.DELETE:
                self._results[step.address] = self._replicas.delete(step)
            else:
                self._results[step.address] = self._replicas.update(step)
        except ProviderError as error:
            self._results[step.address] = error

    def _child_failed(self, step: Step) -> bool:
        """A version stays as long as one of its regions could not be deleted."""
        if step.address.region:
            return False
        for address, result in self._results.items():
            if isinstance(result, ProviderError):
                why = f"{address} in it could not be deleted: {result.message}"
                self._results[step.address] = ProviderError(why, result.remedy)
                return True
        return False

    def _copy(self, steps: Sequence[Step]) -> dict[str, Any] | None:
        """Fills the regions of `steps`; what is to be recorded of the disks, None when there is nothing new."""
        version: Attributes = self._operation.version or {}
        known: Mapping[str, Any] = self._operation.computed.get("disks", {})
        try:
            disks = self._disks(version, known)
        except ProviderError as error:
            self._results |= {step.address: error for step in steps}
            return None
        if version.get("replicationMode") == "Shallow":
            return self._copy_nothing(steps, disks)
        results, facts = self._replicas.make(steps, disks, known)
        self._results |= results
        if not facts:
            return None
        sources = {disk.disk: disk for disk in disks}
        recorded = {name: {**found, "source": sources[name].identity} for name, found in facts.items()}
        if len(disks) > 1 and len({disk.extent.path for disk in disks}) == 1:
            recorded["os"]["sourceSha256"] = combined_digest([found["sha256"] for found in facts.values()])
        return recorded if not known else {name: {**known.get(name, {}), **found} for name, found in recorded.items()}

    def _copy_nothing(self, steps: Sequence[Step], disks: Sequence[SourceDisk]) -> dict[str, Any]:
        for step in steps:
            try:
                self._results[step.address] = self._replicas.make_shallow(step, disks)
            except ProviderError as error:
                self._results[step.address] = error
        return {disk.disk: {**disk_facts(disk, ""), "source": disk.identity} for disk in disks}

    def _disks(self, version: Attributes, known: Mapping[str, Any]) -> list[SourceDisk]:
        """The version's disks. Once it is published its copies can stand in for a source that is gone."""
        try:
            return self._sources.of_version(version)
        except SourceError as error:
            if not known:
                raise
            why = error.message
        return [
            SourceDisk(
                disk,
                Extent("", 0, int(facts["size"]), why),
                DiskFormat(str(facts["format"]), int(facts["virtualSize"])),
                str(facts.get("source", "")),
            )
            for disk, facts in known.items()
        ]
