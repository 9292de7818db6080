"""The folders of target regions while they are filled: under a hidden name, until they take the region's place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from reconciler.manifests.errors import ReconcilerError
from reconciler.providers.errors import ProviderError
from reconciler.providers.image_files.copying import Sink
from reconciler.providers.image_files.source_disks import SourceDisk
from reconciler.providers.local.descriptions import Description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.effects import (
    create_copy,
    create_file,
    make_folder,
    remove_empty_folders,
    remove_folder,
)
from reconciler.providers.local.directories.folders import FOLDER, failure, is_same, open_folder
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.local.ownership import Ownership
from reconciler.providers.local.writing.publication import Publication
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Step


@dataclass(slots=True)
class StagedRegion:
    """A region that is being created: its staging folder and the parent of that (both open), the sinks of each disk,
    the stamps of its files once they are written, the error if it failed, and how its folder takes the region's place.
    """

    step: Step
    folder: int
    parent: int
    region_path: str
    publication: Publication
    sinks: dict[str, list[tuple[str, Sink]]] = field(default_factory=dict)
    stamps: list[tuple[str, str]] = field(default_factory=list)
    error: ProviderError | None = None
    done: int = 0

    @contextlib.contextmanager
    def noting_error(self) -> Iterator[None]:
        """Turns an exception in the block into the error of this region; a region keeps its first error."""
        try:
            yield
        except ProviderError as error:
            self.error = self.error or error
        except OSError as error:
            self.error = self.error or self.failure(error)

    def failure(self, error: OSError) -> ProviderError:
        """An OSError as the failure of this region's step."""
        return failure(error, f"to {self.step.verb} {self.step.address}", self.region_path)


class Staging:
    """Opens, describes and cleans up staging folders for one writer."""

    def __init__(self, paths: ObjectPaths, writer: Writer, *, alone: bool) -> None:
        self._alone = alone
        self._paths = paths
        self._writer = writer
        self._ownership = Ownership(paths, writer)

    def open(self, step: Step, disks: Sequence[SourceDisk]) -> StagedRegion:
        """A new staging folder with an empty file for each copy. Raises: ProviderError."""
        address = step.address
        try:
            staged = self._open_folder(step, self._paths.regions.ready_path(address.region))
        except OSError as error:
            raise failure(error, f"to {step.verb} {address}", self._paths.folder(address)) from error
        try:
            for disk in disks:
                staged.sinks[disk.disk] = list(self._open_sinks(staged, disk))
        except OSError as error:
            self.close(staged)
            raise failure(error, f"to {step.verb} {address}", self._paths.folder(address)) from error
        return staged

    def _open_folder(self, step: Step, path: str) -> StagedRegion:
        """Creates the staging folder, after removing what an interrupted run left of it."""
        address, above = step.address, object_names.folder(step.address)[:-1]
        staging = object_names.hidden_name(address.version, "staging", self._writer)
        try:
            with make_folder(path, above, self._writer, child=staging) as opened:
                folder, parent = os.open(staging, FOLDER, dir_fd=opened), os.dup(opened)
                staged = StagedRegion(step, folder, parent, path, self._publication(parent, folder, step))
        except FileExistsError:
            with open_folder(path, above) as parent:
                remove_folder(parent, staging, self._writer)
            return self._open_folder(step, path)
        try:
            self._ownership.require_free(staged.parent, address, recorded=step.recorded)
        except BaseException:
            self.close(staged)
            raise
        return staged

    def _publication(self, parent: int, folder: int, step: Step) -> Publication:
        check = partial(self._ownership.require_free, parent, step.address, recorded=step.recorded)
        return Publication(parent, folder, step.address, self._writer, check, self._alone)

    def _open_sinks(self, staged: StagedRegion, disk: SourceDisk) -> Iterator[tuple[str, Sink]]:
        for number in range(1, int((staged.step.planned or {})["replicas"]) + 1):
            name = object_names.replica_file(number, disk.disk, disk.format.name)
            yield name, Sink(create_copy(staged.folder, name, self._writer))

    def describe(self, staged: StagedRegion, computed: Mapping[str, Any]) -> None:
        """Makes the copies durable, writes the description beside them, and keeps the stamps of all files."""
        for sinks in staged.sinks.values():
            for _, sink in sinks:
                os.fsync(sink.fd)
        address, planned = staged.step.address, staged.step.planned or {}
        files = {name: disk for disk, sinks in staged.sinks.items() for name, _ in sinks}
        mark, fence = self._ownership.mark(address), self._writer.fence
        copies = [pair for sinks in staged.sinks.values() for pair in sinks]
        stamps = [(name, object_names.stamp(os.fstat(sink.fd))) for name, sink in copies]
        description = Description(mark, planned, computed, files, fence=fence, stamps=dict(stamps))
        staged.publication.require_own()
        status = create_file(staged.folder, object_names.REGION_FILE, description.encode(), self._writer)
        staged.stamps = [(object_names.REGION_FILE, object_names.stamp(status)), *stamps]
        staged.stamps += computed.get("shallow", {}).items()
        os.fsync(staged.folder)

    def close(self, staged: StagedRegion) -> None:
        """Closes all files, and removes the staging folder unless it became the region, or the lease is lost."""
        for sinks in staged.sinks.values():
            for _, sink in sinks:
                os.close(sink.fd)
        if not staged.publication.swapped:
            address = staged.step.address
            staging = object_names.hidden_name(address.version, "staging", self._writer)
            with contextlib.suppress(OSError, ReconcilerError):
                if is_same(staged.parent, staging, staged.folder):
                    remove_folder(staged.parent, staging, self._writer)
                remove_empty_folders(staged.region_path, object_names.folder(address)[:-1], self._writer)
        os.close(staged.folder)
        os.close(staged.parent)
