"""Runs one operation on directories: from its steps to their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.bound_sources import bound_to_plain
from reconciler.providers.common.containers import apply, home_of
from reconciler.providers.common.stand_ins import disks_or_stand_ins
from reconciler.providers.common.steps import Copied, do_steps, not_replaced, own_step
from reconciler.providers.errors import ProviderError
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.source_disks import SourceDisk, add_archive_digest, require_planned
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.local.disk_sources import DiskSources
from reconciler.providers.local.writing.containers import ContainerFiles
from reconciler.providers.local.writing.region_changes import RegionChanges
from reconciler.providers.local.writing.region_creation import RegionCreation
from reconciler.providers.local.writing.region_results import unread_facts
from reconciler.providers.local.writing.restoration import Restoration
from reconciler.providers.protocol import Applied, Operation, ProgressCallback, Results, Step, Verb


class OperationRunner:
    """Runs the steps of one operation in their order; those that copy run together."""

    def __init__(
        self, paths: ObjectPaths, sources: DiskSources, operation: Operation, progress: ProgressCallback
    ) -> None:
        self._sources = sources
        self._operation = operation
        own = own_step(operation)
        self._committed = False
        self._replaced = own.address if own is not None and own.verb is Verb.REPLACE else None
        recorded = {step.address for step in operation.steps if step.recorded}
        self._containers = ContainerFiles(paths, operation.writer, recorded)
        self._creation = RegionCreation(paths, operation.writer, progress, together=bool(self._replaced))
        self._restoration = Restoration(paths, operation.writer, progress)
        self._changes = RegionChanges(paths, operation.writer, progress)
        self._progress = progress

    def results(self) -> Results:
        """Runs the operation; one result for each step."""
        try:
            results = do_steps(self._operation, self._copy, self._write, self._change)
            return self._undone(results, self._replaced) if self._replaced and not self._committed else results
        finally:
            self._creation.close()

    def _undone(self, results: Results, version: Address) -> Results:
        """The results of a version that could not be replaced: its regions have what they had before."""
        self._creation.undo()
        why = results[version]
        return {
            address: result if isinstance(result, ProviderError) else not_replaced(address, version, why)
            for address, result in results.items()
        }

    def _write(self, step: Step, computed: Mapping[str, Any] | None = None) -> Applied:
        result = apply(self._containers, self._operation.writer, step, computed, self._operation.computed)
        if self._replaced and step.verb is Verb.REPLACE:
            self._committed = True
            before = str((step.prior or {}).get("location", ""))
            if before not in ("", home_of(step)):
                self._containers.remove(step.address, before)
            self._creation.keep()
        return result

    def _change(self, step: Step) -> Applied:
        if not step.address.region:
            return self._write(step)
        return self._changes.delete(step) if step.verb is Verb.DELETE else self._changes.update(step)

    def _copy(self, steps: Sequence[Step]) -> Copied:
        """Fills the regions of `steps`."""
        version: Attributes = self._operation.version or {}
        recorded: Mapping[str, Any] = self._operation.computed.get("disks", {})
        if self._replaced:
            return self._fill(steps, version, recorded)
        repairs = [step for step in steps if step.verb is Verb.REPLACE]
        restored = {step.address: self._restoration.restore(step, recorded) for step in repairs}
        results = {address: result for address, result in restored.items() if result is not None}
        rest = [step for step in steps if step.address not in results]
        if not rest:
            return results, None
        filled, facts = self._fill(rest, version, recorded)
        return {**results, **filled}, facts

    def _fill(self, steps: Sequence[Step], version: Attributes, recorded: Mapping[str, Any]) -> Copied:
        try:
            report = partial(self._progress, self._operation.unit)
            disks = disks_or_stand_ins(partial(self._sources.of_version, version, report), recorded, _stand_in)
        except ProviderError as error:
            return {step.address: error for step in steps}, None
        if version.get("replicationMode") == "Shallow":
            return self._refer(steps, disks)
        results, facts = self._creation.create(steps, disks, recorded, self._operation.sources)
        if not facts:
            return results, None
        identities = {disk.disk: disk.identity for disk in disks}
        merged = {name: {**recorded.get(name, {}), **new, "source": identities[name]} for name, new in facts.items()}
        add_archive_digest(disks, merged)
        return results, merged

    def _refer(self, steps: Sequence[Step], disks: Sequence[SourceDisk]) -> Copied:
        """Fills the regions of a Shallow version, which have no copies."""
        try:
            self._require_planned(disks)
            results = self._creation.create_shallow(steps, disks)
        except ProviderError as error:
            return {step.address: error for step in steps}, None
        return results, {disk.disk: {**unread_facts(disk), "source": disk.identity} for disk in disks}

    def _require_planned(self, disks: Sequence[SourceDisk]) -> None:
        """Reads the sources of a Shallow version, which are not copied, if they were planned. Raises: SourceError."""
        bound = self._operation.sources
        if any(source.digest for source in bound):
            plain = bound_to_plain(bound)
            read = {disk.disk: digest_extent(disk.extent, plain=plain) for disk in disks}
            require_planned(bound, disks, {disk: digest.facts() for disk, digest in read.items()})


def _stand_in(disk: str, facts: Mapping[str, Any], why: str) -> SourceDisk:
    """A disk without a path, which only the copies in other regions can provide."""
    extent = Extent("", 0, int(facts["size"]), why)
    disk_format = DiskFormat(str(facts["format"]), int(facts["virtualSize"]))
    return SourceDisk(disk, extent, disk_format, str(facts.get("source", "")))
