"""Sources that are files of the project: disk images, and the disks in an archive."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reconciler.manifests.trust import Trust
from reconciler.manifests.values import Attributes
from reconciler.providers.bound_sources import BoundSource, require_bound
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.compressed.decoders import Compression
from reconciler.providers.image_files.compressed.recognising import recognise_as_it_is
from reconciler.providers.image_files.compressed.unpacking import digest_of_packed, unpack
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.downloads.downloading import Downloads
from reconciler.providers.image_files.extents import Extent, file_identity, open_source, opened
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.formats.reading import ReadAt
from reconciler.providers.image_files.formats.recognising import recognise
from reconciler.providers.protocol import SourceFacts

if TYPE_CHECKING:
    from reconciler.providers.image_files.archives import Member

OS_DISK = "os"
Progress = Callable[[int, int], None]
"""Called with the bytes done and in total."""

_ARCHIVE_ENDINGS = (".ova", ".ovf")
_DOWNLOADED = "sha256:"
"""The identity of a download begins with this; that of a file is made of numbers."""


@dataclass(frozen=True, slots=True)
class SourceDisk:
    """One disk to copy: `os` or `data-LUN`, the extent of its bytes, their format, and the identity of the file.

    `sha256` is the digest that its content must have, if it was published before; else empty. `compression`: the extent
    is still compressed, and the format is a phrase that says so. `source_sha256` is the digest of what it was made
    from: of a compressed image, or of a file that was downloaded; else empty. `kept` are the objects that the extent
    exists as long as.
    """

    disk: str
    extent: Extent
    format: DiskFormat
    identity: str
    sha256: str = ""
    compression: Compression | None = None
    source_sha256: str = ""
    kept: tuple[object, ...] = field(default=(), compare=False, repr=False)


def is_file(source: Mapping[str, Any]) -> bool:
    """Whether a source is a file, here or at an address."""
    return not source.keys().isdisjoint(("file", "url"))


def disk_name(lun: int | str | None) -> str:
    """`os` for None, else the name of the data disk with this LUN."""
    return OS_DISK if lun is None else f"data-{lun}"


class FileSources:
    """Finds the sources `{file: PATH}` and `{url: URL}` of a project's manifests; paths are relative to its folder.

    `trust`: what may be read and downloaded beyond the project. Only `disks` downloads and unpacks; the others are for
    plans, and look at what is there.
    """

    def __init__(self, project: str, trust: Trust | None = None) -> None:
        self._project = project
        self._trust = trust or Trust()
        self._downloads = Downloads(project, self._trust)

    def path(self, source: Mapping[str, Any]) -> str:
        """The path of a source's file, which may not exist."""
        if "url" in source:
            return self._downloads.path(str(source["url"]), str(source["sha256"]))
        return os.path.normpath(os.path.join(self._project, str(source["file"])))

    def identity(self, source: Mapping[str, Any]) -> str:
        """As `Reader.source_identity`."""
        if "url" in source:
            return f"{_DOWNLOADED}{source['sha256']}"
        path = self.path(source)
        try:
            own = file_identity(os.stat(path))
            return _ovf_identity(path, own) if path[-4:].lower() == ".ovf" else own
        except OSError:
            return ""

    def facts(self, source: Mapping[str, Any]) -> SourceFacts:
        """As `Reader.source_facts`; the sizes cover all disks of an archive, and are 0 for what has to be downloaded
        first."""
        if "url" in source and not self._downloads.cached(str(source["url"]), str(source["sha256"])):
            return SourceFacts(0, 0, "not downloaded", self.identity(source))
        return facts_of(self._as_they_are(source, None))

    def digest(self, source: Mapping[str, Any], progress: Progress | None) -> str:
        """As `Reader.source_digest`: of a download the one it must have, of an archive the digest of its disks'
        digests."""
        return str(source["sha256"]) if "url" in source else digest_of(self._as_they_are(source, None), progress)

    def disks(
        self,
        source: Mapping[str, Any],
        lun: str | None,
        progress: Progress | None = None,
        *,
        unpack: bool = True,
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
        disks = [replace(disk, kept=held) for disk in disks]
        most = self._trust.downloads.unpacked
        return [unpacked_disk(disk, most) for disk in disks] if unpack else disks

    def _as_they_are(self, source: Mapping[str, Any], lun: str | None) -> list[SourceDisk]:
        """The disks of a source whose file is here, compressed or not. Raises: SourceError."""
        path, label = self.path(source), str(source["url"] if "url" in source else source["file"])
        if label.lower().endswith(_ARCHIVE_ENDINGS):
            disks = _in_archive(path, label, lun)
        else:
            disks = [_in_file(path, label, disk_name(lun))]
        return [replace(disk, identity=self.identity(source)) for disk in disks] if "url" in source else disks


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


def facts_of(disks: Sequence[SourceDisk]) -> SourceFacts:
    """What a source with these disks is: the sizes of all of them, the format and identity of the first."""
    first = disks[0]
    return SourceFacts(
        size=sum(disk.extent.size for disk in disks),
        virtual_size=sum(disk.format.virtual_size for disk in disks),
        format=first.format.name,
        identity=first.identity,
    )


def digest_of(disks: Sequence[SourceDisk], progress: Progress | None) -> str:
    """The digest of a source with these disks; reads all of them. Raises: SourceError."""
    total, done = sum(disk.extent.size for disk in disks), 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress(done, total)

    return combined_digest([_digest_as_it_is(disk, advance) for disk in disks])


def _digest_as_it_is(disk: SourceDisk, advance: Callable[[int], None]) -> str:
    """The digest of a disk's image; of one that is compressed, that of the compressed bytes."""
    return digest_extent(disk.extent, advance) if disk.compression is None else digest_of_packed(disk.extent, advance)


def combined_digest(digests: list[str]) -> str:
    """The digest of a source: that of its only disk, or the digest of its disks' digests."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def add_archive_digest(disks: Sequence[object], facts: Mapping[str, dict[str, Any]]) -> None:
    """Adds the digests of sources to the facts of disks, where they are not those of the disks: of downloads, of
    compressed images, and for the OS disk that of the archive which it and others come from."""
    files = [disk for disk in disks if isinstance(disk, SourceDisk) and disk.extent.path]
    for disk in files:
        if disk.source_sha256:
            facts[disk.disk]["sourceSha256"] = disk.source_sha256
    archive = [disk for disk in files if disk.identity == files[0].identity and not disk.sha256]
    if len(archive) > 1 and not is_download(files[0]):
        digests = [disk.source_sha256 or facts[disk.disk]["sha256"] for disk in archive]
        facts[OS_DISK]["sourceSha256"] = combined_digest(digests)


def is_download(disk: SourceDisk) -> bool:
    """Whether a disk comes from a file that was downloaded."""
    return disk.identity.startswith(_DOWNLOADED)


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
        disk_format, compression = recognise_as_it_is(_window(fd, 0, status.st_size), status.st_size, f"'{label}'")
    finally:
        os.close(fd)
    identity = file_identity(status)
    extent = Extent(path, 0, status.st_size, f"'{label}'", identity)
    return SourceDisk(disk, extent, disk_format, identity, compression=compression)


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
    """The identity of an OVF: that of its own file and of each disk file that it names. Raises: OSError."""
    from reconciler.providers.image_files.archives import disks_of_ovf

    try:
        with open(path, "rb") as file:
            members = disks_of_ovf(file.read(), path, path)
    except SourceError:  # no longer valid: reading it in full reports the reason
        return own
    return "+".join([own, *(file_identity(os.stat(member.path)) for member in members)])


def _member_disk(disk: str, member: Member, label: str, archive: str) -> SourceDisk:
    """`archive` is the identity of the whole archive, which is compared later."""
    member_label = f"'{member.name}' of '{label}'"
    fd = open_source(member.path, member_label)
    try:
        identity = file_identity(os.fstat(fd))
        window = _window(fd, member.offset, member.size)
        disk_format, compression = recognise_as_it_is(window, member.size, member_label)
    finally:
        os.close(fd)
    extent = Extent(member.path, member.offset, member.size, member_label, identity)
    return SourceDisk(disk, extent, disk_format, archive, compression=compression)


def _window(fd: int, offset: int, size: int) -> ReadAt:
    """A function that reads (position, length) of a part of a file as if it were a whole file."""

    def read(position: int, length: int) -> bytes:
        return os.pread(fd, max(0, min(length, size - position)), offset + position)

    return read
