"""Creates the folders of target regions: staged under a hidden name and renamed when complete, so all or nothing.

One operation copies to all its regions together: each source is read once. A region that fails drops out; the others
continue. Where a whole version is replaced, its regions succeed or fail together, and what they replace stays until the
version's description says that they are replaced.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from reconciler.manifests.address import Address
from reconciler.providers.bound_sources import BoundSource, bound_to_plain
from reconciler.providers.common import steps as common_steps
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError, SourceError, Unsupported
from reconciler.providers.image_files.copying import copy_extent
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.source_disks import SourceDisk, require_planned
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.local.disk_sources import copies_of_full_length
from reconciler.providers.local.writing.region_results import applied, sizes, unread_facts
from reconciler.providers.local.writing.staging import StagedRegion, Staging
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, ProgressCallback, Results, Step

DiskFacts = dict[str, dict[str, Any]]
"""Disk (`os`, `data-LUN`) -> digest, size, virtualSize and format of its copies."""


class RegionCreation:
    """Creates the regions of one operation. `together`: they succeed or fail together, and what they replace stays
    until `keep` or `undo`. To be closed."""

    def __init__(
        self, paths: ObjectPaths, writer: Writer, progress: ProgressCallback, *, together: bool = False
    ) -> None:
        self._paths = paths
        self._staging = Staging(paths, writer, alone=not together)
        self._progress = progress
        self._together = together
        self._staged: list[StagedRegion] = []

    def create(
        self,
        steps: Sequence[Step],
        disks: Sequence[SourceDisk],
        known: Mapping[str, Any],
        bound: Sequence[BoundSource] = (),
    ) -> tuple[Results, DiskFacts]:
        """Fills the regions of `steps` (CREATE and REPLACE) with copies of `disks`; a result for each, and the facts of
        the disks. If there are facts of earlier copies (`known`), the new copies must match them; `bound` are the
        contents that were planned.
        """
        results = self._stage(steps, disks)
        facts: DiskFacts = {}
        with self._failing_all():
            plain = bound_to_plain(bound)
            facts = {
                disk.disk: self._copy(disk, known.get(disk.disk, {}), plain=disk.pinned or plain) for disk in disks
            }
            require_planned(bound, disks, facts)
        return {**results, **self._publish({"disks": facts})}, facts

    def create_shallow(self, steps: Sequence[Step], disks: Sequence[SourceDisk]) -> Results:
        """Creates regions without copies: their descriptions name the sources. Raises: SourceError if one is gone."""
        computed = {"disks": {disk.disk: unread_facts(disk) for disk in disks}, "shallow": _stamps(disks)}
        return {**self._stage(steps, ()), **self._publish(computed)}

    def keep(self) -> None:
        """Removes what the regions replaced. Raises: ProviderError."""
        for region in self._staged:
            try:
                region.publication.finish()
            except OSError as error:
                raise region.failure(error) from error

    def undo(self) -> None:
        """Gives what the regions replaced its place back, in so far as it was taken."""
        for region in self._staged:
            with region.noting_error():
                region.publication.undo()

    def close(self) -> None:
        """Closes all files, and removes what did not become a region."""
        while self._staged:
            self._staging.close(self._staged.pop())

    def _stage(self, steps: Sequence[Step], disks: Sequence[SourceDisk]) -> dict[Address, Applied | ProviderError]:
        """Opens the staging folders; the errors of those that cannot be opened."""
        failed: dict[Address, Applied | ProviderError] = {}
        for step in steps:
            try:
                self._staged.append(self._staging.open(step, disks))
            except ProviderError as error:
                failed[step.address] = error
        if self._together:
            self._fail_others(failed)
        return failed

    def _copy(self, disk: SourceDisk, known: Mapping[str, Any], *, plain: bool) -> dict[str, Any]:
        """Copies one disk to all regions that have not failed. `plain`: its facts are to have a plain sha256, too.

        Raises: SourceError if no source is usable.
        """
        problem: ProviderError | None = None
        recorded = ContentDigest.in_facts(known)
        expected = recorded if recorded.known else disk.published
        plain = plain or expected.is_plain
        for extent, form in self._candidates(disk, known):
            targets = [region for region in self._staged if region.error is None]
            sinks = [sink for region in targets for _, sink in region.sinks[disk.disk]]
            try:
                digest = copy_extent(extent, sinks, partial(self._advance, targets), plain=plain)
            except SourceError as error:
                problem = problem or error
            else:
                _note_failures(targets, disk.disk)
                if not expected.known or digest.agrees(expected):
                    return {**expected.facts(), **digest.facts(), **sizes(extent.size, form)}
                problem = problem or _other_content(disk, known)
            for sink in sinks:
                with contextlib.suppress(OSError):  # a sink that failed is not written again
                    os.ftruncate(sink.fd, 0)
        raise problem or SourceError(
            f"{disk.extent.label}, and no region has a complete copy of disk {disk.disk}",
            "restore the original image, or publish a new version",
        )

    def _candidates(self, disk: SourceDisk, known: Mapping[str, Any]) -> Iterator[tuple[Extent, DiskFormat]]:
        """The source, and for a published version its copies in all regions."""
        if disk.extent.path:
            yield disk.extent, disk.format
        if known and self._staged:
            version = self._staged[0].step.address.unit
            for region in self._paths.present():
                yield from copies_of_full_length(self._paths, version._replace(region=region), disk.disk)

    def _advance(self, targets: Sequence[StagedRegion], more: int) -> None:
        for region in targets:
            region.done += more
            total = sum(os.fstat(sinks[0][1].fd).st_size for sinks in region.sinks.values() if sinks)
            self._progress(region.step.address, region.done, max(total, region.done))

    def _publish(self, computed: Mapping[str, Any]) -> Results:
        """Makes the staged folders durable and renames them. All are renamed before the first of their parents is
        synced: on a journaling file system that sync covers most of the others."""
        self._each(lambda region: self._staging.describe(region, computed))
        self._each(lambda region: region.publication.swap())
        if not self._together:
            self._each(lambda region: region.publication.finish())
        elif any(region.error for region in self._staged):
            self.undo()
        return {region.step.address: region.error or _result(region, computed) for region in self._staged}

    def _each(self, do: Callable[[StagedRegion], None]) -> None:
        """Does one thing for every region that has not failed."""
        for region in self._staged:
            if region.error is None:
                with region.noting_error():
                    do(region)
                if self._together:
                    self._fail_others()

    @contextlib.contextmanager
    def _failing_all(self) -> Iterator[None]:
        """Turns a failure in the block into that of every region."""
        try:
            yield
        except ProviderError as error:
            for region in self._staged:
                region.error = region.error or error
        if self._together:
            self._fail_others()

    def _fail_others(self, failed: Mapping[Address, object] | None = None) -> None:
        """The regions of a version that is replaced fail with the first of them, or of those that have `failed`."""
        errors = {**(failed or {}), **{one.step.address: one.error for one in self._staged if one.error}}
        for address, error in list(errors.items())[:1]:
            for region in self._staged:
                region.error = region.error or common_steps.not_replaced(region.step.address, address, error)


def _result(staged: StagedRegion, computed: Mapping[str, Any]) -> Applied:
    return applied(staged.step.address, staged.step.planned or {}, computed, staged.stamps)


def _stamps(disks: Sequence[SourceDisk]) -> dict[str, str]:
    """Path -> stamp, of the sources that a Shallow region refers to. Raises: SourceError if one is gone;
    Unsupported for a download or a compressed image."""
    stamps = {}
    for disk in disks:
        if disk.source_sha256:
            raise Unsupported(
                f"{disk.extent.label} is downloaded or compressed, and a Shallow version has no copies of its own",
                "set replicationMode: Full, or name an unpacked file of the project",
            )
        try:
            stamps[disk.extent.path] = object_names.stamp(os.stat(disk.extent.path))
        except OSError as error:
            why = f"'{disk.extent.path}': {error.strerror}" if disk.extent.path else disk.extent.label
            raise SourceError(
                f"{why}, and a Shallow version has no copies of its own",
                "restore the source, or remove the version and publish a new one",
            ) from error
    return stamps


def _note_failures(targets: Sequence[StagedRegion], disk: str) -> None:
    for region in targets:
        errors = [sink.error for _, sink in region.sinks[disk] if sink.error is not None]
        if errors:
            region.error = region.failure(errors[0])


def _other_content(disk: SourceDisk, known: Mapping[str, Any]) -> SourceError:
    if not known:
        return SourceError(f"{disk.extent.label} is damaged", "plan and apply again: another copy repairs it")
    return SourceError(
        f"{disk.extent.label} is not what this version was published from, and no region has a complete copy",
        "restore the original image, or publish a new version",
    )
