"""One operation on directories, from its steps to their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from manifests.address import Address
from manifests.values import Attributes
from providers.disk_formats import DiskFormat
from providers.errors import ProviderError, SourceError
from providers.image_files.extents import Extent
from providers.image_files.sources import SourceDisk, combined_digest
from providers.local.documents import Documents
from providers.local.making import RegionMaker, disk_facts
from providers.local.places import Places
from providers.local.replicas import Replicas
from providers.local.sources import Sources
from providers.protocol import Applied, Operation, ProgressCallback, Step, Verb

_COPYING = (Verb.CREATE, Verb.REPLACE)


class OperationRun:
    """One operation: its steps in their order, those that copy together."""

    def __init__(self, places: Places, sources: Sources, operation: Operation, progress: ProgressCallback) -> None:
        self._sources = sources
        self._operation = operation
        self._documents = Documents(places, operation.lineage)
        self._maker = RegionMaker(places, operation.lineage, progress)
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
        results, facts = self._maker.make(steps, disks, known)
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
                self._results[step.address] = self._maker.make_shallow(step, disks)
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
