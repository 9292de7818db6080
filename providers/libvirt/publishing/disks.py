"""The disks of a version, by where their content is before it is copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciler.providers.image_files.source_disks import SourceDisk
from reconciler.providers.libvirt.records.descriptions import Copy

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.host.volumes import Volume


@dataclass(frozen=True, slots=True)
class VolumeDisk:
    """A disk that is a volume of some pool. If it is a `published` copy, which counts as complete, `facts` are those
    recorded for it. `snapshot`: the name of a snapshot in the volume that is meant instead of its present state."""

    disk: str
    pool: Pool
    volume: Volume
    identity: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    published: Copy | None = None
    snapshot: str = ""

    @property
    def label(self) -> str:
        """How messages refer to it."""
        return f"the volume '{self.volume.name}' in the {self.pool}"


@dataclass(frozen=True, slots=True)
class MachineDisk:
    """One disk of a machine; all its disks are captured together. `region` is a region of its host. Sizes in bytes."""

    disk: str
    region: str
    machine: str
    virtual_size: int
    allocated: int
    caching: str
    identity: str


@dataclass(frozen=True, slots=True)
class MissingDisk:
    """A published disk whose source is no longer available, for the reason `why`."""

    disk: str
    virtual_size: int
    why: str


Disk = SourceDisk | VolumeDisk | MachineDisk | MissingDisk
FoundDisk = SourceDisk | VolumeDisk | MachineDisk


def size_of(disk: FoundDisk) -> int:
    """The most bytes that a copy moves."""
    if isinstance(disk, VolumeDisk):
        return disk.volume.size
    return disk.allocated if isinstance(disk, MachineDisk) else disk.extent.size


def virtual_size(disk: Disk) -> int:
    """The bytes that a guest sees."""
    if isinstance(disk, VolumeDisk):
        return int(disk.facts.get("virtualSize", disk.volume.capacity))
    return disk.format.virtual_size if isinstance(disk, SourceDisk) else disk.virtual_size


def format_of(disk: FoundDisk) -> str:
    """The format of its content; `machine` for one that is captured."""
    if isinstance(disk, VolumeDisk):
        return str(disk.facts.get("format", disk.volume.format))
    return "machine" if isinstance(disk, MachineDisk) else disk.format.name
