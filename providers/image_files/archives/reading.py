"""`read_archive`: the disks of an OVA or OVF, in the order of the machine's hardware, and what must hold of them."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.manifests.words import quoted
from reconciler.providers.image_files.archives.certificate import require_signature
from reconciler.providers.image_files.archives.contents import Contents, contents_of
from reconciler.providers.image_files.archives.descriptor import Descriptor, Disk, File, described
from reconciler.providers.image_files.archives.manifest_digests import ManifestDigests, manifest_digests
from reconciler.providers.image_files.archives.members import Member, read_small
from reconciler.providers.image_files.archives.problems import unusable
from reconciler.providers.image_files.archives.selection import Selection, selected

_LARGEST_DESCRIPTOR = 4 << 20


@dataclass(frozen=True, slots=True)
class ArchiveDisk:
    """A disk of an archive, and the file with its bytes; `compressed` as the descriptor says."""

    disk: Disk
    member: Member
    compressed: bool = False


@dataclass(frozen=True, slots=True)
class Archive:
    """What an image is made from: the OS disk first, then data disks from LUN 0 on.

    `firmware` is that of the machine: `efi`, `bios`, or empty where the archive does not say it. `identity` changes
    whenever one of the files used may have changed. `requirement` is what must hold before the bytes of any disk are
    used. `warnings` are sentences about what the archive says and the image will not have.
    """

    disks: tuple[ArchiveDisk, ...]
    firmware: str
    identity: str
    requirement: ManifestDigests
    warnings: tuple[str, ...]


def read_archive(path: str, label: str, machine: str = "") -> Archive:
    """The disks of `machine`, or of the only one, in the OVA or OVF at `path`. Descriptor, manifest and certificate are
    read and checked; the disks are not read.

    Raises: SourceError if it is not one, is damaged, is not clear about its disks, or names what it does not have.
    """
    contents = contents_of(path, label)
    require_signature(contents)
    digests = manifest_digests(contents)
    digests.require_only(contents.descriptor)
    disks, selection = _disks(contents, machine)
    unnamed = [one for one in (contents.descriptor, *(disk.member for disk in disks)) if not digests.covers(one)]
    warnings = selection.warnings
    if contents.manifest is not None and unnamed:
        what = f"its manifest has no digest of {quoted(unnamed[0].name)}"
        if contents.certificate is not None:
            raise unusable(label, f"{what}, so that its signature does not cover that")
        warnings = (*warnings, f"{what}, which is not checked")
    return Archive(tuple(disks), selection.firmware, _identity(contents, disks), digests, warnings)


def archive_identity(path: str, machine: str = "") -> str:
    """The `identity` that read_archive would give, without the checks. Raises: SourceError."""
    contents = contents_of(path, quoted(path))
    return _identity(contents, _disks(contents, machine)[0])


def capacity_warning(disk: ArchiveDisk, virtual_size: int) -> str:
    """A sentence about a disk of another size than the descriptor says; empty if it has that size, or none is said."""
    capacity, unit = disk.disk.capacity, disk.disk.unit
    if not capacity or 0 <= capacity - virtual_size < max(unit, 2):
        return ""
    return (
        f"its descriptor says that the disk {quoted(disk.disk.id)} has {capacity} bytes, and the disk in "
        f"{quoted(disk.member.name)} has {virtual_size}, which the image will have"
    )


def _disks(contents: Contents, machine: str) -> tuple[list[ArchiveDisk], Selection]:
    content = read_small(contents.descriptor, _LARGEST_DESCRIPTOR, "its OVF descriptor", contents.label)
    descriptor = described(content, contents.label)
    selection = selected(descriptor, machine, contents.label)
    return [_archive_disk(contents, descriptor, disk) for disk in selection.disks], selection


def _archive_disk(contents: Contents, descriptor: Descriptor, disk: Disk) -> ArchiveDisk:
    file = descriptor.files[disk.file]
    _require_readable(file, contents.label)
    return ArchiveDisk(disk, contents.named(file.href, "its descriptor"), file.compression.lower() == "gzip")


def _require_readable(file: File, label: str) -> None:
    """The one place that decides how a member may be stored: as it is, or with gzip, the only way that OVF names.
    Raises: SourceError."""
    unknown = file.compression.lower() not in ("", "gzip", "identity")
    if unknown or file.chunk_size:
        how = f"compressed with {quoted(file.compression)}" if unknown else "split into chunks"
        raise unusable(label, f"{quoted(file.href)} is {how}", "export it again without compression and chunks")


def _identity(contents: Contents, disks: list[ArchiveDisk]) -> str:
    if not contents.folder:
        return contents.descriptor.identity
    others = (contents.manifest, contents.certificate)
    members = (contents.descriptor, *(disk.member for disk in disks), *others)
    return "+".join(member.identity for member in members if member is not None)
