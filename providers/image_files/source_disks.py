"""`SourceDisk`: one disk of a source, and what is known of several: their facts and digests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.manifests.values import Attributes
from reconciler.providers.bound_sources import BoundSource, require_bound
from reconciler.providers.content_digest import NO_DIGEST, SOURCE, ContentDigest
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.compressed.decoders import Compression
from reconciler.providers.image_files.compressed.unpacking import digest_of_packed
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.tree_digest import combined
from reconciler.providers.protocol import SourceFacts

OS_DISK = "os"
Progress = Callable[[int, int], None]
"""Called with the bytes done and in total."""

DOWNLOADED = "sha256:"
"""The identity of a download begins with this; that of a file is made of numbers."""


@dataclass(frozen=True, slots=True)
class SourceDisk:
    """One disk to copy: `os` or `data-LUN`, the extent of its bytes, their format, and the identity of the file.

    `published` is the digest that its content must have, if it was published before. `pinned`: its plain sha256 is to
    be recorded, as the manifest knows it by that. `firmware` and `warnings` are what an archive says besides, with its
    OS disk: see `SourceFacts`. `compression`: the extent is still compressed, and the format is a phrase that says so.
    `source_sha256` is the digest of what it was made from: of a compressed image, or of a file that was downloaded;
    else empty. `kept` are the objects that the extent exists as long as.
    """

    disk: str
    extent: Extent
    format: DiskFormat
    identity: str
    published: ContentDigest = NO_DIGEST
    pinned: bool = False
    firmware: str = ""
    warnings: tuple[str, ...] = ()
    compression: Compression | None = None
    source_sha256: str = ""
    kept: tuple[object, ...] = field(default=(), compare=False, repr=False)


def disk_name(lun: int | str | None) -> str:
    """`os` for None, else the name of the data disk with this LUN."""
    return OS_DISK if lun is None else f"data-{lun}"


def is_download(disk: SourceDisk) -> bool:
    """Whether a disk comes from a file that was downloaded."""
    return disk.identity.startswith(DOWNLOADED)


def facts_of(disks: Sequence[SourceDisk]) -> SourceFacts:
    """What a source with these disks is: the sizes of all of them; format, identity and contents of the first."""
    from reconciler.providers.image_files.contents.reading import contents_of

    first = disks[0]
    return SourceFacts(
        size=sum(disk.extent.size for disk in disks),
        virtual_size=sum(disk.format.virtual_size for disk in disks),
        format=first.format.name,
        identity=first.identity,
        firmware=first.firmware,
        warnings=first.warnings,
        largest_disk=max(disk.format.virtual_size for disk in disks),
        contents=None if first.compression else contents_of(first.extent, first.format),
    )


def digest_of(disks: Sequence[SourceDisk], progress: Progress | None, *, plain: bool = False) -> ContentDigest:
    """The digest of a source with these disks, all of whose data is read; if `plain`, with the sha256 of all bytes. It
    is the sha256 of the compressed bytes for a compressed image.

    Raises: SourceError.
    """
    total, done = sum(disk.extent.size for disk in disks), 0
    plain = plain or any(disk.compression for disk in disks)

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress(done, total)

    return combined([_digest_as_it_is(disk, advance, plain=plain) for disk in disks])


def _digest_as_it_is(disk: SourceDisk, advance: Callable[[int], None], *, plain: bool) -> ContentDigest:
    if disk.compression is not None:
        return ContentDigest(plain=digest_of_packed(disk.extent, advance))
    return digest_extent(disk.extent, advance, plain=plain)


def add_archive_digest(disks: Sequence[object], facts: Mapping[str, dict[str, Any]]) -> None:
    """Adds the digests of sources to the facts of disks, where they are not those of the disks: of downloads, of
    compressed images, and for the OS disk that of the archive which it and others come from."""
    files = [disk for disk in disks if isinstance(disk, SourceDisk) and disk.extent.path]
    for disk in files:
        if disk.source_sha256:
            facts[disk.disk] |= ContentDigest(plain=disk.source_sha256).facts(SOURCE)
    archive = [disk for disk in files if disk.identity == files[0].identity and not disk.published.known]
    if len(archive) > 1 and not is_download(files[0]):
        facts[OS_DISK] |= combined([_digest_in(disk, facts) for disk in archive]).facts(SOURCE)


def _digest_in(disk: SourceDisk, facts: Mapping[str, dict[str, Any]]) -> ContentDigest:
    return ContentDigest(plain=disk.source_sha256) if disk.source_sha256 else ContentDigest.in_facts(facts[disk.disk])


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
