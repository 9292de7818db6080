"""Makes the folders of target regions: staged beside their place and renamed into it, there whole or not at all.

One operation copies for all its regions together: each source is read once, and a region that fails drops out and
leaves the others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.copying import Sink, copy_extent
from reconciler.providers.image_files.disk_formats import DiskFormat
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.image_sources import SourceDisk
from reconciler.providers.local import object_names
from reconciler.providers.local.disk_sources import healthy_replicas
from reconciler.providers.local.object_paths import Places
from reconciler.providers.local.objects import (
    Description,
    create_file,
    failure,
    make_folder,
    open_folder,
    remove_empty_folders,
    remove_folder,
)
from reconciler.providers.local.ownership import Ownership
from reconciler.providers.protocol import Applied, ProgressCallback, Results, Step

DiskFacts = dict[str, dict[str, Any]]
"""Disk (`os`, `data-LUN`) -> sha256, size, virtualSize, format of its copies."""


@dataclass(slots=True)
class _Staged:
    """One region in the making: the folder it is staged in and the one above (both open), the sinks of each disk, the
    stamps of its files once they are written, and the failure if it has one."""

    step: Step
    folder: int
    parent: int
    region_path: str
    sinks: dict[str, list[tuple[str, Sink]]] = field(default_factory=dict)
    stamps: list[tuple[str, str]] = field(default_factory=list)
    error: ProviderError | None = None
    done: int = 0
    published: bool = False


class RegionMaker:
    """Makes regions for one lineage."""

    def __init__(self, places: Places, lineage: str, progress: ProgressCallback) -> None:
        self._places = places
        self._ownership = Ownership(places, lineage)
        self._lineage = lineage
        self._progress = progress

    def make(
        self, steps: Sequence[Step], disks: Sequence[SourceDisk], known: Mapping[str, Any]
    ) -> tuple[Results, DiskFacts]:
        """Fills the regions of `steps` (CREATE and REPLACE) with copies of `disks`; a result for each, and the disks'
        facts. `known` are the facts of earlier copies: where there are any, the new ones must be the same.
        """
        results: dict[Address, Applied | ProviderError] = {}
        staged: list[_Staged] = []
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
                for one in staged:
                    one.error = one.error or error
            results |= self._publish(staged, {"disks": facts})
        finally:
            for one in staged:
                self._clean_up(one)
        return results, facts

    def make_shallow(self, step: Step, disks: Sequence[SourceDisk]) -> Applied:
        """A region without copies: its description names the sources. Raises: ProviderError."""
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

    def _stage(self, step: Step, disks: Sequence[SourceDisk]) -> _Staged:
        address = step.address
        try:
            staged = self._open_staging(step, self._places.regions.ready_path(address.region))
        except OSError as error:
            raise failure(error, f"to {step.verb} {address}", self._places.folder(address)) from error
        try:
            for disk in disks:
                staged.sinks[disk.disk] = list(self._open_sinks(staged, disk))
        except OSError as error:
            self._clean_up(staged)
            raise failure(error, f"to {step.verb} {address}", self._places.folder(address)) from error
        return staged

    def _open_staging(self, step: Step, path: str) -> _Staged:
        """Makes the staging folder, once what an interrupted run left of it is gone."""
        address, above = step.address, object_names.folder(step.address)[:-1]
        staging = object_names.staging_name(address.version, self._lineage)
        try:
            with make_folder(path, above, child=staging) as parent:
                folder = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
                staged = _Staged(step, folder, os.dup(parent), path)
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

    def _open_sinks(self, staged: _Staged, disk: SourceDisk) -> Iterator[tuple[str, Sink]]:
        for number in range(1, int((staged.step.planned or {})["replicas"]) + 1):
            name = object_names.replica_file(number, disk.disk, disk.format.name)
            yield name, Sink(create_copy(staged.folder, name))

    def _copy(self, disk: SourceDisk, staged: Sequence[_Staged], known: Mapping[str, Any]) -> dict[str, Any]:
        """Copies one disk to all regions that still stand. Raises: SourceError when no source will do."""
        problem: ProviderError | None = None
        expected = known.get("sha256") or disk.sha256
        for extent, form in self._candidates(disk, staged, known):
            targets = [one for one in staged if one.error is None]
            sinks = [sink for one in targets for _, sink in one.sinks[disk.disk]]
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
            f"{disk.extent.label}, and no region holds a whole copy of disk {disk.disk}",
            "bring the original image back, or publish a new version",
        )

    def _candidates(
        self, disk: SourceDisk, staged: Sequence[_Staged], known: Mapping[str, Any]
    ) -> Iterator[tuple[Extent, DiskFormat]]:
        """The source, and once something is published its copies in other regions."""
        if disk.extent.path:
            yield disk.extent, disk.format
        if known and staged:
            version = staged[0].step.address.unit
            for region in self._places.present():
                yield from healthy_replicas(self._places, version._replace(region=region), disk.disk)

    def _advance(self, targets: Sequence[_Staged], more: int) -> None:
        for one in targets:
            one.done += more
            total = sum(os.fstat(sinks[0][1].fd).st_size for sinks in one.sinks.values() if sinks)
            self._progress(one.step.address, one.done, max(total, one.done))

    def _publish(self, staged: Sequence[_Staged], computed: Mapping[str, Any]) -> Results:
        """Makes the staged folders durable and gives them their names. All are renamed before the first of their
        parents is synced: on a journal, that sync covers most of the others."""
        for one in staged:
            with self._told(one):
                self._describe(one, computed)
        for one in staged:
            with self._told(one):
                self._rename_into_place(one)
        for one in staged:
            with self._told(one):
                self._settle(one)
        return {one.step.address: one.error or self._result(one, computed) for one in staged}

    @contextlib.contextmanager
    def _told(self, staged: _Staged) -> Iterator[None]:
        """Notes what goes wrong with one region; one that has failed before is let be by whoever works in here."""
        try:
            yield
        except ProviderError as error:
            staged.error = staged.error or error
        except OSError as error:
            doing = f"to {staged.step.verb} {staged.step.address}"
            staged.error = staged.error or failure(error, doing, staged.region_path)

    def _describe(self, staged: _Staged, computed: Mapping[str, Any]) -> None:
        """Makes the copies durable, writes the description beside them, and notes the stamps of all files."""
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

    def _rename_into_place(self, staged: _Staged) -> None:
        if staged.error is not None:
            return
        address, parent = staged.step.address, staged.parent
        name, removed = address.version, object_names.removed_name(address.version, self._lineage)
        self._ownership.require_free(parent, address)  # a long copy lies between the first look and this moment
        self._ownership.remove_removed(parent, address)
        with contextlib.suppress(FileNotFoundError):
            os.rename(name, removed, src_dir_fd=parent, dst_dir_fd=parent)
        staging = object_names.staging_name(name, self._lineage)
        os.rename(staging, name, src_dir_fd=parent, dst_dir_fd=parent)
        staged.published = True

    def _settle(self, staged: _Staged) -> None:
        """Makes the name durable; what the new folder replaces goes once the new one is there for good."""
        if staged.published:
            os.fsync(staged.parent)
            self._ownership.remove_removed(staged.parent, staged.step.address)

    def _result(self, staged: _Staged, computed: Mapping[str, Any]) -> Applied:
        return applied(staged.step.address, staged.step.planned or {}, computed, staged.stamps)

    def _clean_up(self, staged: _Staged) -> None:
        """Closes what is open, and removes the staging folder if it did not become the region."""
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
    """What is recorded of a disk; the digest is left out when nothing was read."""
    return {**({"sha256": sha256} if sha256 else {}), **_sizes(disk.extent.size, disk.format)}


def _sizes(size: int, form: DiskFormat) -> dict[str, Any]:
    return {"size": size, "virtualSize": form.virtual_size, "format": form.name}


def create_copy(folder: int, name: str) -> int:
    """A new file that nobody can write to once it is closed."""
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444, dir_fd=folder)


def _note_failures(targets: Sequence[_Staged], disk: str) -> None:
    for one in targets:
        errors = [sink.error for _, sink in one.sinks[disk] if sink.error is not None]
        if errors:
            one.error = failure(errors[0], f"to {one.step.verb} {one.step.address}", one.region_path)


def _other_content(disk: SourceDisk, known: Mapping[str, Any]) -> SourceError:
    if not known:
        return SourceError(f"{disk.extent.label} is damaged", "plan and apply again: it is repaired from another copy")
    return SourceError(
        f"{disk.extent.label} is not what this version was published from, and no region holds a whole copy",
        "bring the original image back, or publish a new version",
    )


def applied(
    address: Address, planned: Attributes, computed: Mapping[str, Any], stamps: Sequence[tuple[str, str]]
) -> Applied:
    return Applied(
        object_id=object_names.object_id(address.region, address),
        fingerprint=object_names.fingerprint(address.region, object_names.folder(address), stamps),
        canonical=canonical_json(planned),
        computed=canonical_json(computed),
    )
