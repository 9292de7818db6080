"""Sources that are files: disk images and archives of the project or at an address, compressed or not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.manifests.trust import Trust, is_inside, leads_out
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.compressed.recognising import recognise_as_it_is
from reconciler.providers.image_files.compressed.unpacking import unpack
from reconciler.providers.image_files.extents import Extent, file_identity, open_source, opened
from reconciler.providers.image_files.formats.reading import ReadAt
from reconciler.providers.image_files.formats.recognising import recognise
from reconciler.providers.image_files.source_disks import (
    DOWNLOADED,
    Progress,
    SourceDisk,
    digest_of,
    disk_name,
    facts_of,
)
from reconciler.providers.protocol import SourceFacts

if TYPE_CHECKING:
    from reconciler.providers.image_files.archives.reading import Archive, ArchiveDisk
    from reconciler.providers.image_files.downloads.downloading import Downloads

ARCHIVE_ENDINGS = (".ova", ".ovf")


def is_file(source: Mapping[str, Any]) -> bool:
    """Whether a source is a file, here or at an address."""
    return not source.keys().isdisjoint(("file", "url"))


class FileSources:
    """Finds the sources `{file: PATH}` and `{url: URL}` of a project. Paths are relative to the project's folder. What
    they lead to is in that folder or in a trusted one, links resolved; of anything else nothing is found out.

    `trust`: what may be read and downloaded beyond the project. Only `disks` downloads and unpacks; the others are for
    plans, and look at what is there.
    """

    def __init__(self, project: str, trust: Trust | None = None) -> None:
        self._project = project
        self._trust = trust or Trust()
        self._roots = self._trust.roots(Path(project))
        self._folders: dict[str, str] = {}

    @cached_property
    def _downloads(self) -> Downloads:
        from reconciler.providers.image_files.downloads.downloading import Downloads  # 20 ms that few plans need

        return Downloads(self._project, self._trust)

    def path(self, source: Mapping[str, Any]) -> str:
        """The path of a source's file, which may not exist. Raises: SourceError for one that leads elsewhere."""
        if "url" in source:
            return self._downloads.path(str(source["url"]), str(source["sha256"]))
        path = os.path.normpath(os.path.join(self._project, str(source["file"])))
        self._require_inside(path, str(source["file"]))
        return path

    def _require_inside(self, path: str, label: str) -> None:
        if not is_inside(os.path.realpath(path), self._roots):
            refusal = leads_out(label)
            raise SourceError(refusal.summary, refusal.detail)

    def identity(self, source: Mapping[str, Any]) -> str:
        """As `Reader.source_identity`."""
        machine = str(source.get("machine", ""))
        if "url" in source:
            return _of_machine(f"{DOWNLOADED}{source['sha256']}", machine)
        path = os.path.normpath(os.path.join(self._project, str(source["file"])))
        try:
            own = file_identity(os.stat(path)) if self._leads_inside(path) else ""
            return _identity(path, machine, own) if own else ""
        except (OSError, SourceError):
            return ""

    def _leads_inside(self, path: str) -> bool:
        """As `_require_inside`, for the many files of a plan that only looks at them: each folder is resolved once."""
        folder, name = os.path.split(path)
        if os.path.islink(path):
            return is_inside(os.path.realpath(path), self._roots)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return is_inside(os.path.join(self._folders[folder], name), self._roots)

    def facts(self, source: Mapping[str, Any]) -> SourceFacts:
        """As `Reader.source_facts`; the sizes cover all disks of an archive, and are 0 for what has to be downloaded
        first."""
        if "url" in source and not self._downloads.cached(str(source["url"]), str(source["sha256"])):
            return SourceFacts(0, 0, "not downloaded", self.identity(source))
        return facts_of(self._as_they_are(source, None))

    def digest(self, source: Mapping[str, Any], progress: Progress | None, *, plain: bool = False) -> ContentDigest:
        """As `Reader.source_digest`: of a download the one it must have, of an archive the digest of its disks'
        digests."""
        if "url" in source:
            return ContentDigest(plain=str(source["sha256"]))
        return digest_of(self._as_they_are(source, None), progress, plain=plain)

    def disks(
        self, source: Mapping[str, Any], lun: str | None, progress: Progress | None = None, *, unpack: bool = True
    ) -> list[SourceDisk]:
        """The disks of one source, downloaded and unpacked: several only for an archive, which can only be the source
        of the OS disk. `progress` gets the bytes downloaded and their total.

        Raises: SourceError; ProviderError, Unavailable for downloads.
        """
        held: tuple[object, ...] = ()
        if "url" in source:
            held = (self._downloads.fetch(str(source["url"]), str(source["sha256"]), progress),)
        disks = self._as_they_are(source, lun)
        if held:
            disks = [replace(disks[0], source_sha256=str(source["sha256"])), *disks[1:]]
        pinned = _is_pinned(source, disks)
        disks = [replace(disk, kept=held, pinned=pinned) for disk in disks]
        most = self._trust.downloads.unpacked
        return [unpacked_disk(disk, most) for disk in disks] if unpack else disks

    def _as_they_are(self, source: Mapping[str, Any], lun: str | None) -> list[SourceDisk]:
        """The disks of a source whose file is here, compressed or not. Raises: SourceError."""
        path, label = self.path(source), str(source["url"] if "url" in source else source["file"])
        if label.lower().endswith(ARCHIVE_ENDINGS):
            disks = _in_archive(path, label, lun, str(source.get("machine", "")))
        else:
            disks = [_in_file(path, label, disk_name(lun))]
        if "url" in source:
            return [replace(disk, identity=self.identity(source)) for disk in disks]
        for disk in disks:
            self._require_inside(disk.extent.path, disk.extent.label)
        return disks


def _is_pinned(source: Mapping[str, Any], disks: list[SourceDisk]) -> bool:
    """Whether the plain digests of disks are to be recorded: the manifest has one that is made of them, or a part of
    the archive has no other."""
    pin = ContentDigest.parse(str(source.get("sha256") or ""))
    return (pin.is_plain and "file" in source) or (len(disks) > 1 and any(disk.compression for disk in disks))


def unpacked_disk(disk: SourceDisk, most: int) -> SourceDisk:
    """The disk in a compressed image, unpacked to at most `most` bytes; other disks as they are.

    Raises: SourceError, ProviderError.
    """
    if disk.compression is None:
        return disk
    file = unpack(disk.extent, disk.compression, most)
    with opened(file.extent) as fd:
        disk_format = recognise(_window(fd, 0, file.extent.size), file.extent.size, disk.extent.label)
    return replace(
        disk,
        extent=file.extent,
        format=disk_format,
        compression=None,
        source_sha256=disk.source_sha256 or file.sha256,
        kept=(*disk.kept, file),
    )


def _in_file(path: str, label: str, disk: str) -> SourceDisk:
    fd = open_source(path, f"'{label}'")
    try:
        status = os.fstat(fd)
        disk_format, compression = recognise_as_it_is(_window(fd, 0, status.st_size), status.st_size, f"'{label}'")
    finally:
        os.close(fd)
    identity = file_identity(status)
    extent = Extent(path, 0, status.st_size, f"'{label}'", identity)
    return SourceDisk(disk, extent, disk_format, identity, compression=compression)


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
    pairs = [pair for pair in zip(archive.disks, disks, strict=True) if pair[1].compression is None]
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
        disk_format, compression = recognise_as_it_is(
            _window(fd, extent.offset, extent.size), extent.size, extent.label
        )
    finally:
        os.close(fd)
    if disk.compressed and compression is None:
        raise SourceError(
            f"{extent.label} is not compressed, and the descriptor says that it is", "export the archive again"
        )
    return SourceDisk(name, extent, disk_format, identity, compression=compression)


def _window(fd: int, offset: int, size: int) -> ReadAt:
    """A function that reads (position, length) of a part of a file as if it were a whole file."""

    def read(position: int, length: int) -> bytes:
        return os.pread(fd, max(0, min(length, size - position)), offset + position)

    return read
