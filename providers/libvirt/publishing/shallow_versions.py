"""Shallow versions: overlays that hold nothing themselves, on a volume of the same host that must stay.

A source that is a volume is what they lie on, as it is. A file has to be on the host for that: it becomes one volume
in the region, replica 0, and every replica is an overlay on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError, SourceError, Unsupported
from reconciler.providers.image_files.image_sources import SourceDisk
from reconciler.providers.libvirt.publishing import volume_filling
from reconciler.providers.libvirt.publishing.disk_sources import Disk, MissingDisk, VolumeDisk
from reconciler.providers.libvirt.publishing.region_build import Site, open_site
from reconciler.providers.libvirt.publishing.volume_filling import present
from reconciler.providers.libvirt.records.descriptions import Copy, Description, stamp
from reconciler.providers.protocol import Applied, OwnerMark, ProgressCallback, Results, Step

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.publishing.operation_handle import Names

SHALLOW = "shallow"
"""In what is computed of a Shallow region: disk -> path, format and stamp of the volume below its overlays; the stamp
is empty where that is the region's own."""


def is_shallow(description: Description) -> bool:
    return SHALLOW in description.computed


def volumes_of(disk: Disk, replicas: int) -> int:
    """How many volumes a Shallow region needs of a disk."""
    return replicas + 1 if isinstance(disk, SourceDisk) else replicas


class ShallowMaker:
    """Makes Shallow regions for one lineage, one after the other: hardly anything is copied."""

    def __init__(self, hosts: Hosts, disk_format: str, lineage: str, progress: ProgressCallback) -> None:
        self._hosts = hosts
        self._format = disk_format
        self._lineage = lineage
        self._progress = progress

    def make(
        self, steps: Sequence[Step], disks: Sequence[Disk], names: Names, sizes: Mapping[str, int]
    ) -> tuple[Results, dict[str, dict[str, Any]]]:
        """A result for each step, and the disks' facts; of a disk that was not read there is no digest."""
        results: dict[Address, Applied | ProviderError] = {}
        facts: dict[str, dict[str, Any]] = {}
        for step in steps:
            mark, planned = OwnerMark(self._lineage, step.address), step.planned or {}
            try:
                site = open_site(self._hosts, mark, planned, names[step.address], sizes, self._progress)
            except ProviderError as error:
                results[step.address] = error
                continue
            results[step.address] = self._make(site, disks, facts)
        return results, facts

    def _make(self, site: Site, disks: Sequence[Disk], facts: dict[str, dict[str, Any]]) -> Applied | ProviderError:
        below: dict[str, dict[str, str]] = {}
        try:
            site.begin(site.before.description.copies if site.before else ())
            for disk in disks:
                found, names = self._base(site, disk, below)
                facts.setdefault(disk.disk, found)
                for number, name in enumerate(names, 1):
                    site.copies.append(
                        overlay(site, below[disk.disk], int(found["virtualSize"]), disk.disk, name, number)
                    )
            return site.publish({"disks": facts, SHALLOW: below})
        except ProviderError as error:
            site.error = error
            site.abandon()
            return error

    def _base(self, site: Site, disk: Disk, below: dict[str, dict[str, str]]) -> tuple[dict[str, Any], Sequence[str]]:
        """Notes what the overlays of a disk lie on; its facts, and the names of the overlays. Raises: ProviderError."""
        names = site.names[disk.disk]
        if isinstance(disk, SourceDisk):
            filled = volume_filling.from_file(disk, site.pool, names[0], self._format, site.meter(names[0]))
            site.copies.append(filled.copy(site.pool, names[0], disk.disk, 0))
            path = present(site.pool, names[0]).path
            below[disk.disk] = {"path": path, "format": filled.format, "stamp": ""}
            return dict(filled.facts), names[1:]
        if isinstance(disk, MissingDisk):
            raise SourceError(f"{disk.why}, and a Shallow version has no copy of it", "bring the original image back")
        if not isinstance(disk, VolumeDisk) or disk.snapshot:
            raise Unsupported(
                "a Shallow version cannot be made of a machine or a snapshot", "set replicationMode: Full"
            )
        if disk.pool.connection is not site.pool.connection:
            raise Unsupported(
                f"{disk.label} is not on the host of {site.address.region}, and a Shallow version has no copy",
                "leave that region out, or set replicationMode: Full",
            )
        volume = disk.volume
        below[disk.disk] = {"path": volume.path, "format": volume.format, "stamp": stamp(volume)}
        facts = {"size": volume.size, "virtualSize": volume.capacity, "format": volume.format, "source": disk.identity}
        return facts, names


def overlay(site: Site, below: Mapping[str, str], size: int, disk: str, name: str, number: int) -> Copy:
    """Makes one overlay of a disk of `size` bytes. Raises: ProviderError."""
    site.pool.create(name, size, "qcow2", below["path"], below["format"])
    return Copy(name, disk, number, size, "qcow2", "", stamp(present(site.pool, name)))
