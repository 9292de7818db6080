"""Creates the folders of target regions: staged under a hidden name and renamed when complete, so all or nothing.

One operation copies to all its regions together: each source is read once. A region that fails drops out; the others
continue.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.common import steps as common_steps
from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.copying import Sink, copy_extent
from reconciler.providers.image_files.disk_formats import DiskFormat
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.image_sources import SourceDisk
from reconciler.providers.local.descriptions import Description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.folders import (
    create_copy,
    create_file,
    failure,
    make_folder,
    open_folder,
    remove_empty_folders,
    remove_folder,
)
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.local.disk_sources import copies_of_full_length
from reconciler.providers.local.ownership import Ownership
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, ProgressCallback, Results, Step

DiskFacts = dict[str, dict[str, Any]]
"""Disk (`os`, `data-LUN`) -> sha256, size, virtualSize and format of its copies."""


@dataclass(slots=True)
class _StagedRegion:
    """A region that is being created: its staging folder and the parent of that (both open), the sinks of each disk,
    the stamps of its files once they are written, and the error if it failed."""

    step: Step
    folder: int
    parent: int
    region_path: str
    sinks: dict[str, list[tuple[str, Sink]]] = field(default_factory=dict)
    stamps: list[tuple[str, str]] = field(default_factory=list)
    error: ProviderError | None = None
    done: int = 0
    published: bool = False


class RegionCreation:
    """Creates regions for one writer."""

    def __init__(self, paths: ObjectPaths, writer: Writer, progress: ProgressCallback) -> None:
        self._paths = paths
        self._ownership = Ownership(paths, writer)
        self._lineage = writer.lineage
        self._progress = progress

    def create(
        self, steps: Sequence[Step], disks: Sequence[SourceDisk], known: Mapping[str, Any]
    ) -> tuple[Results, DiskFacts]:
        """Fills the regions of `steps` (CREATE and REPLACE) with copies of `disks`; a result for each, and the facts of
        the disks. If there are facts of earlier copies (`known`), the new copies must match them.
        """
        results: dict[Address, Applied | ProviderError] = {}
        staged: list[_StagedRegion] = []
        facts: DiskFacts = {}
        try:
            for step in steps:
                try:
                    staged.append(self._stage(step, disks))
                except ProviderError as error:
                    results[step.address] = error
            try:
                facts = {disk.disk: self._copy(disk, staged, known.get(disk.disk, {})) for disk in disks}
            except ProviderError as error:
                for region in staged:
                    region.error = region.error or error
            results |= self._publish(staged, {"disks": facts})
        finally:
            for region in staged:
                self._clean_up(region)
        return results, facts

    def create_shallow(self, step: Step, disks: Sequence[SourceDisk]) -> Applied:
        """Creates a region without copies: its description names the sources. Raises: ProviderError."""
        facts = {disk.disk: disk_facts(disk, "") for disk in disks}
        shallow = {disk.extent.path: object_names.stamp(os.stat(disk.extent.path)) for disk in disks}
        staged = self._stage(step, ())
        try:
            result = self._publish([staged], {"disks": facts, "shallow": shallow})[step.address]
        finally:
            self._clean_up(staged)
        if isinstance(result, ProviderError):
            raise result
        return result

    def _stage(self, step: Step, disks: Sequence[SourceDisk]) -> _StagedRegion:
        address = step.address
        try:
            staged = self._open_staging(step, self._paths.regions.ready_path(address.region))
        except OSError as error:
            raise failure(error, f"to {step.verb} {address}", self._paths.folder(address)) from error
        try:
            for disk in disks:
                staged.sinks[disk.disk] = list(self._open_sinks(staged, disk))
        except OSError as error:
            self._clean_up(staged)
            raise failure(error, f"to {step.verb} {address}", self._paths.folder(address)) from error
        return staged

    def _open_staging(self, step: Step, path: str) -> _StagedRegion:
        """Creates the staging folder, after removing what an interrupted run left of it."""
        address, above = step.address, object_names.folder(step.address)[:-1]
        staging = object_names.staging_name(address.version, self._lineage)
        try:
            with make_folder(path, above, child=staging) as parent:
                folder = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
                staged = _StagedRegion(step, folder, os.dup(parent), path)
        except FileExistsError:
            with open_folder(path, above) as parent:
                self._ownership.remove_leftovers(parent, address)
            return self._open_staging(step, path)
        try:
            self._ownership.require_free(staged.parent, address)
        except BaseException:
            self._clean_up(staged)
            raise
        return staged

    def _open_sinks(self, staged: _StagedRegion, disk: SourceDisk) -> Iterator[tuple[str, Sink]]:
        for number in range(1, int((staged.step.planned or {})["replicas"]) + 1):
            name = object_names.replica_file(number, disk.disk, disk.format.name)
            yield name, Sink(create_copy(staged.folder, name))

    def _copy(self, disk: SourceDisk, staged: Sequence[_StagedRegion], known: Mapping[str, Any]) -> dict[str, Any]:
        """Copies one disk to all regions that have not failed. Raises: SourceError if no source is usable."""
        problem: ProviderError | None = None
        expected = known.get("sha256") or disk.sha256
        for extent, form in self._candidates(disk, staged, known):
            targets = [region for region in staged if region.error is None]
            sinks = [sink for region in targets for _, sink in region.sinks[disk.disk]]
            try:
                sha256 = copy_extent(extent, sinks, partial(self._advance, targets))
            except SourceError as error:
                problem = problem or error
            else:
                _note_failures(targets, disk.disk)
                if expected in ("", sha256):
                    return {"sha256": sha256, **_sizes(extent.size, form)}
                problem = problem or _other_content(disk, known)
            for sink in sinks:
                with contextlib.suppress(OSError):  # a sink that failed is not written again
                    os.ftruncate(sink.fd, 0)
        raise problem or SourceError(
            f"{disk.extent.label}, and no region has a complete copy of disk {disk.disk}",
            "restore the original image, or publish a new version",
        )

    def _candidates(
        self, disk: SourceDisk, staged: Sequence[_StagedRegion], known: Mapping[str, Any]
    ) -> Iterator[tuple[Extent, DiskFormat]]:
        """The source, and for a published version its copies in all regions."""
        if disk.extent.path:
            yield disk.extent, disk.format
        if known and staged:
            version = staged[0].step.address.unit
            for region in self._paths.present():
                yield from copies_of_full_length(self._paths, version._replace(region=region), disk.disk)

    def _advance(self, targets: Sequence[_StagedRegion], more: int) -> None:
        for region in targets:
            region.done += more
            total = sum(os.fstat(sinks[0][1].fd).st_size for sinks in region.sinks.values() if sinks)
            self._progress(region.step.address, region.done, max(total, region.done))

    def _publish(self, staged: Sequence[_StagedRegion], computed: Mapping[str, Any]) -> Results:
        """Makes the staged folders durable and renames them. All are renamed before the first of their parents is
        synced: on a journaling file system that sync covers most of the others."""
        for region in staged:
            with self._noting_error(region):
                self._describe(region, computed)
        for region in staged:
            with self._noting_error(region):
                self._rename_into_place(region)
        for region in staged:
            with self._noting_error(region):
                self._finish(region)
        return {region.step.address: region.error or self._result(region, computed) for region in staged}

    @contextlib.contextmanager
    def _noting_error(self, staged: _StagedRegion) -> Iterator[None]:
        """Turns an exception in the block into the error of this region; a region keeps its first error."""
        try:
            yield
        except ProviderError as error:
            staged.error = staged.error or error
        except OSError as error:
            doing = f"to {staged.step.verb} {staged.step.address}"
            staged.error = staged.error or failure(error, doing, staged.region_path)

    def _describe(self, staged: _StagedRegion, computed: Mapping[str, Any]) -> None:
        """Makes the copies durable, writes the description beside them, and keeps the stamps of all files."""
        if staged.error is not None:
            return
        for sinks in staged.sinks.values():
            for _, sink in sinks:
                os.fsync(sink.fd)
        files = {name: disk for disk, sinks in staged.sinks.items() for name, _ in sinks}
        description = Description(self._ownership.mark(staged.step.address), staged.step.planned or {}, computed, files)
        status = create_file(staged.folder, object_names.REGION_FILE, description.encode())
        copies = (pair for sinks in staged.sinks.values() for pair in sinks)
        staged.stamps = [(object_names.REGION_FILE, object_names.stamp(status))]
        staged.stamps += [(name, object_names.stamp(os.fstat(sink.fd))) for name, sink in copies]
        staged.stamps += computed.get("shallow", {}).items()
        os.fsync(staged.folder)

    def _rename_into_place(self, staged: _StagedRegion) -> None:
        if staged.error is not None:
            return
        address, parent = staged.step.address, staged.parent
        name, removed = address.version, object_names.removed_name(address.version, self._lineage)
        self._ownership.require_free(parent, address)  # again: copying may have taken hours since the first check
        self._ownership.remove_removed(parent, address)
        with contextlib.suppress(FileNotFoundError):
            os.rename(name, removed, src_dir_fd=parent, dst_dir_fd=parent)
        staging = object_names.staging_name(name, self._lineage)
        os.rename(staging, name, src_dir_fd=parent, dst_dir_fd=parent)
        staged.published = True

    def _finish(self, staged: _StagedRegion) -> None:
        """Makes the new name durable, and only then removes what the new folder repaths."""
        if staged.published:
            os.fsync(staged.parent)
            self._ownership.remove_removed(staged.parent, staged.step.address)

    def _result(self, staged: _StagedRegion, computed: Mapping[str, Any]) -> Applied:
        return applied(staged.step.address, staged.step.planned or {}, computed, staged.stamps)

    def _clean_up(self, staged: _StagedRegion) -> None:
        """Closes all files, and removes the staging folder unless it became the region."""
        for sinks in staged.sinks.values():
            for _, sink in sinks:
                os.close(sink.fd)
        os.close(staged.folder)
        if not staged.published:
            address = staged.step.address
            with contextlib.suppress(OSError):
                remove_folder(staged.parent, object_names.staging_name(address.version, self._lineage))
            remove_empty_folders(staged.region_path, object_names.folder(address)[:-1])
        os.close(staged.parent)


def disk_facts(disk: SourceDisk, sha256: str) -> dict[str, Any]:
    """The facts to record for a disk; without a digest if nothing was read."""
    return {**({"sha256": sha256} if sha256 else {}), **_sizes(disk.extent.size, disk.format)}


def _sizes(size: int, form: DiskFormat) -> dict[str, Any]:
    return {"size": size, "virtualSize": form.virtual_size, "format": form.name}


def _note_failures(targets: Sequence[_StagedRegion], disk: str) -> None:
    for region in targets:
        errors = [sink.error for _, sink in region.sinks[disk] if sink.error is not None]
        if errors:
            region.error = failure(errors[0], f"to {region.step.verb} {region.step.address}", region.region_path)


def _other_content(disk: SourceDisk, known: Mapping[str, Any]) -> SourceError:
    if not known:
        return SourceError(f"{disk.extent.label} is damaged", "plan and apply again: another copy repairs it")
    return SourceError(
        f"{disk.extent.label} is not what this version was published from, and no region has a complete copy",
        "restore the original image, or publish a new version",
    )


def applied(
    address: Address, planned: Attributes, computed: Mapping[str, Any], stamps: Sequence[tuple[str, str]]
) -> Applied:
    """The result of a step after which a target region is as planned."""
    return common_steps.applied(
        object_names.object_id(address.region, address),
        object_names.fingerprint(address.region, object_names.folder(address), stamps),
        planned,
        computed,
    )
