"""Sources that are files of the project: disk images, and the disks in an archive."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.manifests.trust import Trust, is_inside, leads_out
from reconciler.manifests.values import Attributes
from reconciler.providers.bound_sources import BoundSource, require_bound
from reconciler.providers.content_digest import NO_DIGEST, SOURCE, ContentDigest
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.extents import Extent, file_identity, open_source
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.formats.reading import ReadAt
from reconciler.providers.image_files.formats.recognising import recognise
from reconciler.providers.image_files.tree_digest import combined
from reconciler.providers.protocol import SourceFacts

if TYPE_CHECKING:
    from reconciler.providers.image_files.archives.reading import Archive, ArchiveDisk

OS_DISK = "os"
ARCHIVE_ENDINGS = (".ova", ".ovf")


@dataclass(frozen=True, slots=True)
class SourceDisk:
    """One disk to copy: `os` or `data-LUN`, the extent of its bytes, their format, and the identity of the file.

    `published` is the digest that its content must have, if it was published before. `pinned`: the manifest knows it by
    its plain sha256, which is to be recorded. `firmware` and `warnings` are what an archive says besides, with its OS
    disk: see `SourceFacts`.
    """

    disk: str
    extent: Extent
    format: DiskFormat
    identity: str
    published: ContentDigest = NO_DIGEST
    pinned: bool = False
    firmware: str = ""
    warnings: tuple[str, ...] = ()


def disk_name(lun: int | str | None) -> str:
    """`os` for None, else the name of the data disk with this LUN."""
    return OS_DISK if lun is None else f"data-{lun}"


class FileSources:
    """Finds the sources `{file: PATH}` of a project's manifests; paths are relative to the project's folder. What they
    lead to is in that folder or in a trusted one, links resolved; of anything else nothing is found out."""

    def __init__(self, project: str, trust: Trust | None = None) -> None:
        self._project = project
        self._roots = (trust or Trust()).roots(Path(project))

    def path(self, source: Mapping[str, Any]) -> str:
        """The path of a source's file, which may not exist. Raises: SourceError for one that leads elsewhere."""
        path = os.path.normpath(os.path.join(self._project, str(source["file"])))
        self._require_inside(path, str(source["file"]))
        return path

    def _require_inside(self, path: str, label: str) -> None:
        if not is_inside(os.path.realpath(path), self._roots):
            refusal = leads_out(label)
            raise SourceError(refusal.summary, refusal.detail)

    def identity(self, source: Mapping[str, Any]) -> str:
        """As `Reader.source_identity`."""
        try:
            path = self.path(source)
            return _identity(path, str(source.get("machine", "")), file_identity(os.stat(path)))
        except (OSError, SourceError):
            return ""

    def facts(self, source: Mapping[str, Any]) -> SourceFacts:
        """As `Reader.source_facts`; the sizes cover all disks of an archive."""
        return facts_of(self.disks(source, None))

    def digest(
        self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None, *, plain: bool = False
    ) -> ContentDigest:
        """As `Reader.source_digest`; for an archive, the digest of its disks' digests."""
        return digest_of(self.disks(source, None), progress, plain=plain)

    def disks(self, source: Mapping[str, Any], lun: str | None) -> list[SourceDisk]:
        """The disks of one source: several only for an archive, which can only be the source of the OS disk.

        Raises: SourceError.
        """
        path, label = self.path(source), str(source["file"])
        archive = path.lower().endswith(ARCHIVE_ENDINGS)
        machine = str(source.get("machine", ""))
        found = _in_archive(path, label, lun, machine) if archive else [_in_file(path, label, disk_name(lun))]
        for disk in found:
            self._require_inside(disk.extent.path, disk.extent.label)
        pin = ContentDigest.parse(str(source.get("sha256") or ""))
        return [replace(disk, pinned=True) for disk in found] if pin.is_plain else found


def facts_of(disks: Sequence[SourceDisk]) -> SourceFacts:
    """What a source with these disks is: the sizes of all of them, the format and identity of the first."""
    first = disks[0]
    return SourceFacts(
        size=sum(disk.extent.size for disk in disks),
        virtual_size=sum(disk.format.virtual_size for disk in disks),
        format=first.format.name,
        identity=first.identity,
        firmware=first.firmware,
        warnings=first.warnings,
    )


def digest_of(
    disks: Sequence[SourceDisk], progress: Callable[[int, int], None] | None, *, plain: bool = False
) -> ContentDigest:
    """The digest of a source with these disks, all of whose data is read; if `plain`, with the sha256 of all bytes.

    Raises: SourceError.
    """
    total, done = sum(disk.extent.size for disk in disks), 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress(done, total)

    return combined([digest_extent(disk.extent, advance, plain=plain) for disk in disks])


def add_archive_digest(disks: Sequence[object], facts: Mapping[str, dict[str, Any]]) -> None:
    """Adds the digest of an archive to the facts of its OS disk, if `disks` are those of one archive."""
    files = [disk for disk in disks if isinstance(disk, SourceDisk) and disk.extent.path]
    if 1 < len(files) == len(disks) and len({disk.extent.path for disk in files}) == 1:
        facts[OS_DISK] |= combined([ContentDigest.in_facts(facts[disk.disk]) for disk in files]).facts(SOURCE)


def require_planned(
    bound: Sequence[BoundSource], disks: Sequence[object], facts: Mapping[str, Mapping[str, Any]]
) -> None:
    """Checks the digests in the `facts` of `disks` before a copy of them becomes visible. Raises: SourceError."""
    if bound:
        read = {name: dict(fact) for name, fact in facts.items()}
        add_archive_digest(disks, read)
        require_bound(bound, read)


def version_disks(
    version: Attributes, disks: Callable[[Mapping[str, Any], str | None], list[SourceDisk]]
) -> list[SourceDisk]:
    """Every disk of a version, the OS disk first; `disks` finds those of one source.

    Raises: SourceError, and what `disks` does.
    """
    all_disks = disks(version["source"], None)
    for lun, disk in sorted(version.get("dataDisks", {}).items(), key=lambda pair: int(pair[0])):
        if "source" in disk:
            all_disks += disks(disk["source"], lun)
    names = [disk.disk for disk in all_disks]
    if len(set(names)) < len(names):
        raise SourceError(
            f"the archive '{version['source'].get('file')}' has data disks at LUNs that dataDisks also declares",
            "remove dataDisks, or give them LUNs after those of the archive",
        )
    return all_disks


def _in_file(path: str, label: str, disk: str) -> SourceDisk:
    fd = open_source(path, f"'{label}'")
    try:
        status = os.fstat(fd)
        disk_format = recognise(lambda at, length: os.pread(fd, length, at), status.st_size, f"'{label}'")
    finally:
        os.close(fd)
    identity = file_identity(status)
    return SourceDisk(disk, Extent(path, 0, status.st_size, f"'{label}'", identity), disk_format, identity)


def _in_archive(path: str, label: str, lun: str | None, machine: str) -> list[SourceDisk]:
    """The disks of an OVA or OVF: the first is the OS disk, the others are data disks from LUN 0 on."""
    from reconciler.providers.image_files.archives.reading import capacity_warning, read_archive

    if lun is not None:
        raise SourceError(f"'{label}' is an archive, which can only be the source of the OS disk", "name a disk image")
    archive = read_archive(path, f"'{label}'", machine)
    identity = _of_machine(archive.identity, machine)
    names = [disk_name(None if number == 0 else number - 1) for number in range(len(archive.disks))]
    disks = [
        _member_disk(name, disk, label, archive, identity) for name, disk in zip(names, archive.disks, strict=True)
    ]
    pairs = zip(archive.disks, disks, strict=True)
    sizes = [capacity_warning(described, disk.format.virtual_size) for described, disk in pairs]
    warnings = (*archive.warnings, *filter(None, sizes))
    return [replace(disks[0], firmware=archive.firmware, warnings=warnings), *disks[1:]]


def _identity(path: str, machine: str, own: str) -> str:
    """The identity of a source, whose file has the identity `own`. Of an OVF it is that of each file that it uses."""
    if not path.lower().endswith(ARCHIVE_ENDINGS):
        return own
    if path.lower().endswith(".ovf"):
        from reconciler.providers.image_files.archives.reading import archive_identity

        try:
            own = archive_identity(path, machine)
        except SourceError:  # no longer valid: reading it in full reports the reason
            return own
    return _of_machine(own, machine)


def _of_machine(identity: str, machine: str) -> str:
    """The identity of one machine's disks in an archive."""
    return f"{identity}#{machine}" if machine else identity


def _member_disk(name: str, disk: ArchiveDisk, label: str, archive: Archive, identity: str) -> SourceDisk:
    """`identity` is that of the whole archive, which is compared later."""
    extent = replace(disk.member.extent(f"'{label}'"), requirement=archive.requirement)
    fd = open_source(extent.path, extent.label)
    try:
        disk_format = recognise(_window(fd, extent.offset, extent.size), extent.size, extent.label)
    finally:
        os.close(fd)
    return SourceDisk(name, extent, disk_format, identity)


def _window(fd: int, offset: int, size: int) -> ReadAt:
    """A function that reads (position, length) of a part of a file as if it were a whole file."""

    def read(position: int, length: int) -> bytes:
        return os.pread(fd, max(0, min(length, size - position)), offset + position)

    return read
