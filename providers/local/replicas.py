"""The copies that are there: whose they are, and whether they are whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from stat import S_ISREG

from providers.local.descriptions import inherited_mark

from manifests.address import Address
from providers.errors import ObjectConflict
from providers.local import layout, objects
from providers.local.copying import Advance, Extent, digest_extent, file_identity
from providers.local.objects import Description, Unreadable
from providers.local.settings import Regions
from providers.protocol import OwnerMark


@dataclass(frozen=True, slots=True)
class Replicas:
    """One region's directory of a version, as it is.

    `description` is None when it cannot be read. `stamps` holds the files that are there, the description first.
    `strangers` are the names that we never give. `faults` say what is wrong, in words.
    """

    region: str
    path: str
    description: Description | None
    mark: OwnerMark | None
    stamps: Mapping[str, str] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def extents(self, disk: str) -> tuple[Extent, ...]:
        """The copies of a disk that have the recorded size; for a Shallow region, what it refers to."""
        if self.description is None:
            return ()
        known = self.description.computed.get("disks", {}).get(disk)
        if known is None:
            return ()
        if "path" in known:
            return (Extent(known["path"], known.get("offset", 0), known["size"], known["path"], known["source"]),)
        return tuple(
            Extent(f"{self.path}/{name}", 0, known["size"], f"the copy {self.region}/{name}", followed=False)
            for name, kept in sorted(self.description.files.items())
            if kept == disk and self.stamps.get(name, "").startswith(f"{known['size']}:")
        )


def look(regions: Regions, address: Address) -> Replicas | None:
    """The directory of a target region, or None when there is none.

    Raises: ObjectConflict when a symbolic link or a file is in its place; OSError.
    """
    parts = layout.folder(address)
    path = "/".join((regions.path(address.region), *parts))
    try:
        with objects.open_folder(regions.path(address.region), parts) as folder:
            return look_into(regions, address, path, folder)
    except FileNotFoundError:
        return None


def look_into(regions: Regions, address: Address, path: str, folder: int) -> Replicas:
    """As `look`, in the open directory `folder`, whose path is `path`."""
    present = sorted(os.listdir(folder))
    strangers = tuple(name for name in present if not _is_our_name(name))
    fault = f"{layout.REGION_FILE} is missing"
    try:
        description, status = objects.read_description(layout.REGION_FILE, folder)
    except (FileNotFoundError, Unreadable) as error:
        if isinstance(error, Unreadable):
            fault = f"{layout.REGION_FILE} {error}"
        mark = None if strangers or not present else inherited_mark(regions, address)
        return Replicas(address.region, path, None, mark, {}, strangers, (fault,))
    stamps = {layout.REGION_FILE: layout.stamp(status)}
    faults = _check_files(description, folder, stamps) + _check_references(description, stamps)
    return Replicas(address.region, path, description, description.mark, stamps, strangers, tuple(faults))


def published(regions: Regions, version: Address) -> list[Replicas]:
    """The regions in which a version can be read, sorted by name."""
    found = []
    for region in regions.present():
        address = version._replace(region=region)
        if os.path.lexists("/".join((regions.path(region), *layout.folder(address)))):
            try:
                replicas = look(regions, address)
            except (ObjectConflict, OSError):  # no copy to read from here; whoever asks about it will be told
                continue
            if replicas is not None and replicas.description is not None:
                found.append(replicas)
    return found


def content_faults(replicas: Replicas, names: set[str], advance: Advance | None = None) -> list[str]:
    """Reads the files `names` (or what a Shallow region refers to) and says which differ from their digest.

    Raises: SourceError when one cannot be read.
    """
    faults = []
    description = replicas.description
    for name, disk in sorted(description.files.items()) if description else ():
        known = description.computed["disks"][disk] if description else {}
        if name not in names or not replicas.stamps.get(name, "").startswith(f"{known['size']}:"):
            continue
        extent = Extent(f"{replicas.path}/{name}", 0, known["size"], f"{replicas.region}/{name}", followed=False)
        if digest_extent(extent, advance) != known["sha256"]:
            faults.append(f"{name} has other content than was copied")
    return faults


def _is_our_name(name: str) -> bool:
    hidden = layout.unfinished(name)
    shown = hidden[0] if hidden else name
    return shown == layout.REGION_FILE or layout.replica_of(shown) is not None


def _check_files(description: Description, folder: int, stamps: dict[str, str]) -> list[str]:
    faults = []
    for name, disk in sorted(description.files.items()):
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            faults.append(f"{name} is missing")
            continue
        size = description.computed["disks"][disk].get("size")
        if not S_ISREG(status.st_mode):
            faults.append(f"{name} is not a regular file")
        elif status.st_size != size:
            faults.append(f"{name} has {status.st_size} bytes instead of {size}")
        else:
            stamps[name] = layout.stamp(status)
    return faults


def _check_references(description: Description, stamps: dict[str, str]) -> list[str]:
    """What a Shallow region refers to must be there, and still be what it was."""
    faults = []
    for disk in description.computed.get("disks", {}).values():
        if "path" not in disk:
            continue
        try:
            status = os.stat(disk["path"])
        except (FileNotFoundError, NotADirectoryError):
            faults.append(f"'{disk['path']}', which it refers to, is gone")
            continue
        if file_identity(status) == disk["source"]:
            stamps[disk["path"]] = layout.stamp(status)
        else:
            faults.append(f"'{disk['path']}', which it refers to, has changed")
    return faults
