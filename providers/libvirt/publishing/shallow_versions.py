"""Shallow versions: overlays without content of their own, backed by a volume of the same host that must stay.

A source that is a volume is the backing volume itself. A file is uploaded to the host first: it becomes one volume in
the region, replica 0, and every replica is an overlay on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.providers.bound_sources import BoundSource, bound_to_plain
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError, SourceError, Unsupported
from reconciler.providers.image_files.source_disks import SourceDisk, require_planned
from reconciler.providers.libvirt.publishing import volume_filling
from reconciler.providers.libvirt.publishing.disks import Disk, MissingDisk, VolumeDisk
from reconciler.providers.libvirt.publishing.publication import Publication
from reconciler.providers.libvirt.publishing.region_build import RegionBuild, open_build
from reconciler.providers.libvirt.publishing.volume_filling import existing
from reconciler.providers.libvirt.records.descriptions import Copy, Description, stamp
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, ProgressCallback, Results, Step

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.publishing.operation_handle import Names

SHALLOW = "shallow"
"""The key in the computed part of a Shallow region: disk -> path, format and stamp of the backing volume; the stamp is
empty if that volume is the region's own."""


def is_shallow(description: Description) -> bool:
    """Whether a region consists of overlays."""
    return SHALLOW in description.computed


def volume_count(disk: Disk, replicas: int) -> int:
    """How many volumes a Shallow region needs for a disk."""
    return replicas + 1 if isinstance(disk, SourceDisk) else replicas


class ShallowCreation:
    """Creates Shallow regions for one writer, one after the other, because hardly anything is copied."""

    def __init__(
        self, hosts: Hosts, disk_format: str, writer: Writer, progress: ProgressCallback, publication: Publication
    ) -> None:
        self._hosts = hosts
        self._format = disk_format
        self._writer = writer
        self._progress = progress
        self._publication = publication

    def create(
        self,
        steps: Sequence[Step],
        disks: Sequence[Disk],
        names: Names,
        sizes: Mapping[str, int],
        bound: Sequence[BoundSource] = (),
    ) -> tuple[Results, dict[str, dict[str, Any]]]:
        """A result for each step, and the facts of the disks; a disk that was not read has no digest. `bound` are the
        contents that were planned."""
        results: dict[Address, Applied | ProviderError] = {}
        facts: dict[str, dict[str, Any]] = {}
        builds: list[RegionBuild] = []
        for step in steps:
            planned = step.planned or {}
            try:
                build = open_build(
                    self._hosts, self._writer, step.address, planned, names[step.address], sizes, self._progress
                )
            except ProviderError as error:
                results[step.address] = error
                continue
            builds.append(build)
            self._fill(build, disks, facts, bound)
            if not self._publication.together:
                results[step.address] = self._publication.of_one(build)
        if self._publication.together:
            results |= self._publication.of_all(builds, results)
        return results, facts

    def _fill(
        self,
        build: RegionBuild,
        disks: Sequence[Disk],
        facts: dict[str, dict[str, Any]],
        bound: Sequence[BoundSource],
    ) -> None:
        """Creates the volumes of a region, or notes its error."""
        backings: dict[str, dict[str, str]] = {}
        if build.done:
            for name, known in build.computed["disks"].items():
                facts.setdefault(name, dict(known))
            return
        try:
            build.start(build.previous_copies)
            for disk in disks:
                disk_facts, names = self._add_backing(build, disk, backings, plain=bound_to_plain(bound))
                facts.setdefault(disk.disk, disk_facts)
                size, backing = int(disk_facts["virtualSize"]), backings[disk.disk]
                for number, name in enumerate(names, 1):
                    build.copies.append(overlay(build, backing, size, disk.disk, name, number))
            require_planned(bound, disks, facts)
            build.computed = {"disks": facts, SHALLOW: backings}
        except ProviderError as error:
            build.error = error

    def _add_backing(
        self, build: RegionBuild, disk: Disk, backings: dict[str, dict[str, str]], *, plain: bool
    ) -> tuple[dict[str, Any], Sequence[str]]:
        """Adds the backing of a disk's overlays to `backings`; the facts of the disk, and the names of the overlays.

        Raises: ProviderError.
        """
        names = build.names[disk.disk]
        if isinstance(disk, SourceDisk):
            filled = volume_filling.from_file(
                disk, build.pool, names[0], self._format, build.volume_progress(names[0]), plain=plain or disk.pinned
            )
            build.copies.append(filled.copy(build.pool, names[0], disk.disk, 0))
            path = existing(build.pool, names[0]).path
            backings[disk.disk] = {"path": path, "format": filled.format, "stamp": ""}
            return dict(filled.facts), names[1:]
        if isinstance(disk, MissingDisk):
            raise SourceError(f"{disk.why}, and a Shallow version has no copy of it", "restore the original image")
        if not isinstance(disk, VolumeDisk) or disk.snapshot:
            raise Unsupported(
                "a Shallow version cannot be created from a machine or a snapshot", "set replicationMode: Full"
            )
        if disk.pool.connection is not build.pool.connection:
            raise Unsupported(
                f"{disk.label} is not on the host of {build.address.region}, and a Shallow version has no copy",
                "remove that region, or set replicationMode: Full",
            )
        volume = disk.volume
        backings[disk.disk] = {"path": volume.path, "format": volume.format, "stamp": stamp(volume)}
        facts = {"size": volume.size, "virtualSize": volume.capacity, "format": volume.format, "source": disk.identity}
        return facts, names


def overlay(build: RegionBuild, backing: Mapping[str, str], size: int, disk: str, name: str, number: int) -> Copy:
    """Creates one overlay of a disk of `size` bytes. Raises: ProviderError."""
    build.pool.create(name, size, "qcow2", backing["path"], backing["format"])
    return Copy(name, disk, number, size, "qcow2", ContentDigest(), stamp(existing(build.pool, name)))
