"""Sources that are files of the project: disk images, and the disks in an archive."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.manifests.values import Attributes
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.disk_formats import DiskFormat, ReadAt, recognise
from reconciler.providers.image_files.extents import Extent, file_identity, open_source
from reconciler.providers.protocol import SourceFacts

if TYPE_CHECKING:
    from reconciler.providers.image_files.archives import Member

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


class FileSources:
    """Finds the sources `{file: PATH}` of a project's manifests; relative paths begin in the project's folder."""

    def __init__(self, project: str) -> None:
        self._project = project

    def path(self, source: Mapping[str, Any]) -> str:
        """Where the file of a source is, or should be."""
        return os.path.normpath(os.path.join(self._project, str(source["file"])))

    def identity(self, source: Mapping[str, Any]) -> str:
        """As `Reader.source_identity`."""
        path = self.path(source)
        try:
            own = file_identity(os.stat(path))
            return _ovf_identity(path, own) if path[-4:].lower() == ".ovf" else own
        except OSError:
            return ""

    def facts(self, source: Mapping[str, Any]) -> SourceFacts:
        """As `Reader.source_facts`; sizes are those of all disks in an archive."""
        return facts_of(self.disks(source, None))

    def digest(self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None) -> str:
        """As `Reader.source_digest`; of an archive, the digest of its disks' digests."""
        return digest_of(self.disks(source, None), progress)

    def disks(self, source: Mapping[str, Any], lun: str | None) -> list[SourceDisk]:
        """The disks of one source; more than one only of an archive, which can only be given for the OS disk.

        Raises: SourceError.
        """
        path, label = self.path(source), str(source["file"])
        if path.lower().endswith(_ARCHIVE_ENDINGS):
            return _in_archive(path, label, lun)
        return [_in_file(path, label, disk_name(lun))]


def facts_of(disks: Sequence[SourceDisk]) -> SourceFacts:
    """What a source with these disks is: the sizes of all of them, the format and identity of the first."""
    first = disks[0]
    return SourceFacts(
        size=sum(disk.extent.size for disk in disks),
        virtual_size=sum(disk.format.virtual_size for disk in disks),
        format=first.format.name,
        identity=first.identity,
    )


def digest_of(disks: Sequence[SourceDisk], progress: Callable[[int, int], None] | None) -> str:
    """The digest that stands for a source with these disks; reads all of them. Raises: SourceError."""
    total, done = sum(disk.extent.size for disk in disks), 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress(done, total)

    return combined_digest([digest_extent(disk.extent, advance) for disk in disks])


def combined_digest(digests: list[str]) -> str:
    """The digest that stands for a source: its disk's, or that of all its disks' digests."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def add_archive_digest(disks: Sequence[object], facts: Mapping[str, dict[str, Any]]) -> None:
    """Adds the digest that stands for an archive to the facts of its OS disk, where `disks` are all of one archive."""
    files = [disk for disk in disks if isinstance(disk, SourceDisk) and disk.extent.path]
    if 1 < len(files) == len(disks) and len({disk.extent.path for disk in files}) == 1:
        facts[OS_DISK]["sourceSha256"] = combined_digest([facts[disk.disk]["sha256"] for disk in files])


def version_disks(
    version: Attributes, disks: Callable[[Mapping[str, Any], str | None], list[SourceDisk]]
) -> list[SourceDisk]:
    """Every disk of a version, the OS disk first; `disks` finds those of one source.

    Raises: SourceError, and what `disks` does.
    """
    found = disks(version["source"], None)
    for lun, disk in sorted(version.get("dataDisks", {}).items(), key=lambda pair: int(pair[0])):
        if "source" in disk:
            found += disks(disk["source"], lun)
    names = [disk.disk for disk in found]
    if len(set(names)) < len(names):
        raise SourceError(
            f"the archive '{version['source'].get('file')}' has data disks at LUNs that dataDisks declares too",
            "leave out dataDisks, or give them LUNs after those of the archive",
        )
    return found


def _in_file(path: str, label: str, disk: str) -> SourceDisk:
    fd = open_source(path, f"'{label}'")
    try:
        status = os.fstat(fd)
        form = recognise(lambda at, length: os.pread(fd, length, at), status.st_size, f"'{label}'")
    finally:
        os.close(fd)
    identity = file_identity(status)
    return SourceDisk(disk, Extent(path, 0, status.st_size, f"'{label}'", identity), form, identity)


def _in_archive(path: str, label: str, lun: str | None) -> list[SourceDisk]:
    """The disks of an OVA or OVF: the first is the OS disk, the others are data disks from LUN 0 on."""
    from reconciler.providers.image_files.archives import disks_of_ova, disks_of_ovf

    if lun is not None:
        raise SourceError(f"'{label}' is an archive, which can only be the source of the OS disk", "name a disk image")
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
    from reconciler.providers.image_files.archives import disks_of_ovf

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
