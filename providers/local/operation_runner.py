"""One operation on directories, from its steps to their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from reconciler.manifests.values import Attributes
from reconciler.providers.common.steps import Copied, do_steps, result_of
from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.disk_formats import DiskFormat
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.image_sources import SourceDisk, add_archive_digest
from reconciler.providers.local.disk_sources import Sources
from reconciler.providers.local.documents import Documents
from reconciler.providers.local.object_paths import Places
from reconciler.providers.local.region_creation import RegionMaker, disk_facts
from reconciler.providers.local.replicas import Replicas
from reconciler.providers.protocol import Applied, Operation, ProgressCallback, Results, Step, Verb


class OperationRun:
    """One operation: its steps in their order, those that copy together."""

    def __init__(self, places: Places, sources: Sources, operation: Operation, progress: ProgressCallback) -> None:
        self._sources = sources
        self._operation = operation
        self._documents = Documents(places, operation.lineage)
        self._maker = RegionMaker(places, operation.lineage, progress)
        self._replicas = Replicas(places, operation.lineage, progress)

    def results(self) -> Results:
        return do_steps(self._operation, self._copy, self._documents.apply, self._change)

    def _change(self, step: Step) -> Applied:
        if not step.address.region:
            return self._documents.apply(step)
        return self._replicas.delete(step) if step.verb is Verb.DELETE else self._replicas.update(step)

    def _copy(self, steps: Sequence[Step]) -> Copied:
        """Fills the regions of `steps`."""
        version: Attributes = self._operation.version or {}
        known: Mapping[str, Any] = self._operation.computed.get("disks", {})
        try:
            disks = self._disks(version, known)
        except ProviderError as error:
            return {step.address: error for step in steps}, None
        if version.get("replicationMode") == "Shallow":
            return self._copy_nothing(steps, disks)
        results, facts = self._maker.make(steps, disks, known)
        if not facts:
            return results, None
        identities = {disk.disk: disk.identity for disk in disks}
        recorded = {name: {**known.get(name, {}), **found, "source": identities[name]} for name, found in facts.items()}
        add_archive_digest(disks, recorded)
        return results, recorded

    def _copy_nothing(self, steps: Sequence[Step], disks: Sequence[SourceDisk]) -> Copied:
        results = {step.address: result_of(partial(self._maker.make_shallow, step, disks)) for step in steps}
        return results, {disk.disk: {**disk_facts(disk, ""), "source": disk.identity} for disk in disks}

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
