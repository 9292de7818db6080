"""Where the disks of a version come from: image files, the disks in an archive, the copies of another version."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from manifests.address import Address
from manifests.values import Attributes
from providers.disk_formats import DiskFormat, ReadAt, recognise
from providers.errors import ProviderError, SourceError, Unsupported
from providers.local import layout
from providers.local.copying import Extent, digest_extent, file_identity, open_source
from providers.local.objects import Unreadable, read_description
from providers.local.places import Places
from providers.protocol import SourceFacts

if TYPE_CHECKING:
    from providers.local.archives import Member

SUPPORTED = frozenset({"file", "version"})
OS_DISK = "os"
_ARCHIVE_ENDINGS = (".ova", ".ovf")


@dataclass(frozen=True, slots=True)
class SourceDisk:
    """One disk to copy: `os` or `data-LUN`, where its bytes are, what it is, and the identity of the file it is in.

    `sha256` is what its content must be, where that is known beforehand: of what was published before.
    """

    disk: str
    extent: Extent
    format: DiskFormat
    identity: str
    sha256: str = ""


def disk_name(lun: int | str | None) -> str:
    """`os` for None, else the data disk of a LUN."""
    return OS_DISK if lun is None else f"data-{lun}"


class Sources:
    """Finds sources in the project's folder and among the versions in the regions."""

    def __init__(self, places: Places, project: str) -> None:
        self._places = places
        self._project = project

    def identity(self, source: Mapping[str, Any]) -> str:
        """As `Reader.source_identity`; that of a version is always the same, as published content is."""
        if "file" not in source:
            return str(source.get("version", ""))
        path = self._path(source)
        try:
            own = file_identity(os.stat(path))
            return _ovf_identity(path, own) if path[-4:].lower() == ".ovf" else own
        except OSError:
            return ""

    def facts(self, source: Mapping[str, Any]) -> SourceFacts:
        """As `Reader.source_facts`; sizes are those of all disks in an archive."""
        disks = self.of(source, None)
        first = disks[0]
        return SourceFacts(
            size=sum(disk.extent.size for disk in disks),
            virtual_size=sum(disk.format.virtual_size for disk in disks),
            format=first.format.name,
            identity=first.identity,
        )

    def digest(self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None) -> str:
        """As `Reader.source_digest`; of an archive, the digest of its disks' digests."""
        disks = self.of(source, None)
        total, done = sum(disk.extent.size for disk in disks), 0

        def advance(more: int) -> None:
            nonlocal done
            done += more
            if progress:
                progress(done, total)

        return combined_digest([digest_extent(disk.extent, advance) for disk in disks])

    def of_version(self, version: Attributes) -> list[SourceDisk]:
        """Every disk of a version: the OS disk first. Raises: SourceError, Unsupported."""
        disks = self.of(version["source"], None)
        for lun, disk in sorted(version.get("dataDisks", {}).items(), key=lambda pair: int(pair[0])):
            if "source" in disk:
                disks += self.of(disk["source"], lun)
        names = [disk.disk for disk in disks]
        if len(set(names)) < len(names):
            raise SourceError(
                f"the archive '{version['source'].get('file')}' has data disks at LUNs that dataDisks declares too",
                "leave out dataDisks, or give them LUNs after those of the archive",
            )
        return disks

    def of(self, source: Mapping[str, Any], lun: str | None) -> list[SourceDisk]:
        """The disks of one source; more than one only of an archive or a version given for the OS disk.

        Raises: SourceError, Unsupported.
        """
        if "version" in source:
            return self._of_published(Address.parse(str(source["version"])), lun)
        if "file" not in source:
            raise Unsupported(
                f"the local provider cannot read a source '{next(iter(source))}'",
                f"it reads: {', '.join(sorted(SUPPORTED))}",
            )
        path = self._path(source)
        if self._places.holds(path):
            raise SourceError(
                f"'{source['file']}' lies in a region's directory, which belongs to the images there",
                "name the version as the source, or copy the image to another place",
            )
        if path.lower().endswith(_ARCHIVE_ENDINGS):
            return self._in_archive(path, str(source["file"]), lun)
        return [_in_file(path, str(source["file"]), disk_name(lun))]

    def _path(self, source: Mapping[str, Any]) -> str:
        return os.path.normpath(os.path.join(self._project, str(source["file"])))

    def _of_published(self, version: Address, lun: str | None) -> list[SourceDisk]:
        """The copies of another version's disks: all of them for the OS disk, its OS disk alone for a data disk."""
        for region in self._places.present():
            disks = list(_whole_copies(self._places, version._replace(region=region)))
            if lun is None and disks:
                return disks
            if disks:
                return [replace(disk, disk=disk_name(lun)) for disk in disks if disk.disk == OS_DISK]
        raise SourceError(f"no region holds a whole copy of {version}", "publish that version first, or repair it")

    def _in_archive(self, path: str, label: str, lun: str | None) -> list[SourceDisk]:
        """The disks of an OVA or OVF: the first is the OS disk, the others are data disks from LUN 0 on."""
        from providers.local.archives import disks_of_ova, disks_of_ovf

        if lun is not None:
            raise SourceError(
                f"'{label}' is an archive, which can only be the source of the OS disk", "name a disk image"
            )
        fd = open_source(path, f"'{label}'")
        try:
            status = os.fstat(fd)
            if path.lower().endswith(".ova"):
                members = disks_of_ova(fd, path, f"'{label}'")
            else:
                members = disks_of_ovf(os.pread(fd, status.st_size, 0), path, f"'{label}'")
        finally:
            os.close(fd)
        identity = file_identity(status)
        if path.lower().endswith(".ovf"):
            identity = _ovf_identity(path, identity)
        names = [disk_name(None if number == 0 else number - 1) for number in range(len(members))]
        return [_member_disk(name, member, label, identity) for name, member in zip(names, members, strict=True)]


def _ovf_identity(path: str, own: str) -> str:
    """An OVF's identity: its own, and that of each disk file that it names. Raises: OSError."""
    from providers.local.archives import disks_of_ovf

    try:
        with open(path, "rb") as file:
            members = disks_of_ovf(file.read(), path, path)
    except SourceError:  # it is not what it was: who looks at it in full will be told why
        return own
    return "+".join([own, *(file_identity(os.stat(member.path)) for member in members)])


def _member_disk(disk: str, member: Member, label: str, archive: str) -> SourceDisk:
    """`archive` is the identity of the archive as a whole, which is what is compared later."""
    told = f"'{member.name}' of '{label}'"
    fd = open_source(member.path, told)
    try:
        identity = file_identity(os.fstat(fd))
        form = recognise(_window(fd, member.offset, member.size), member.size, told)
    finally:
        os.close(fd)
    return SourceDisk(disk, Extent(member.path, member.offset, member.size, told, identity), form, archive)


def _window(fd: int, offset: int, size: int) -> ReadAt:
    """Reads (position, length) of a part of a file as if it were a file of its own."""

    def read(position: int, length: int) -> bytes:
        return os.pread(fd, max(0, min(length, size - position)), offset + position)

    return read


def combined_digest(digests: list[str]) -> str:
    """The digest that stands for a source: its disk's, or that of all its disks' digests."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _in_file(path: str, label: str, disk: str) -> SourceDisk:
    fd = open_source(path, f"'{label}'")
    try:
        status = os.fstat(fd)
        form = recognise(lambda at, length: os.pread(fd, length, at), status.st_size, f"'{label}'")
    finally:
        os.close(fd)
    identity = file_identity(status)
    return SourceDisk(disk, Extent(path, 0, status.st_size, f"'{label}'", identity), form, identity)


def _whole_copies(places: Places, region: Address) -> Iterator[SourceDisk]:
    """One copy of each disk that a region holds; nothing when one of them has none that is whole."""
    try:
        description, _ = read_description(f"{places.folder(region)}/{layout.REGION_FILE}")
    except (OSError, Unreadable, ProviderError):
        return
    found = []
    for disk, facts in sorted(description.computed.get("disks", {}).items(), key=lambda pair: pair[0] != OS_DISK):
        copy = next(healthy_replicas(places, region, disk), None)
        if copy is None:
            return
        found.append(SourceDisk(disk, *copy, str(region.unit), str(facts.get("sha256", ""))))
    yield from found


def healthy_replicas(places: Places, region: Address, disk: str) -> Iterator[tuple[Extent, DiskFormat]]:
    """The copies of a disk in one region that are as long as they should be, in the order of their numbers."""
    folder = places.folder(region)
    try:
        description, _ = read_description(f"{folder}/{layout.REGION_FILE}")
        facts = description.computed["disks"][disk]
    except (OSError, Unreadable, ProviderError, KeyError):
        return
    for name in sorted(name for name, which in description.files.items() if which == disk):
        path = f"{folder}/{name}"
        try:
            size = os.lstat(path).st_size
        except OSError:
            continue
        if size == facts["size"]:
            form = DiskFormat(str(facts["format"]), int(facts["virtualSize"]))
            yield Extent(path, 0, size, f"the copy '{region}' ({name})", followed=False), form
