"""`inspect_image`: everything that is known of an image file, also of one that is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.image_inspection.uses import Use, uses_of
from reconciler.manifests.trust import Trust
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError
from reconciler.providers.image_contents import ImageContents
from reconciler.providers.image_files.contents.features import features_of
from reconciler.providers.image_files.contents.reading import contents_of
from reconciler.providers.image_files.formats.disk_format import DiskFormat, UnusableImage
from reconciler.providers.image_files.image_sources import FileSources, unpacked_disk
from reconciler.providers.image_files.jail.running import JailError
from reconciler.providers.image_files.jail.terms import Wall
from reconciler.providers.image_files.jail.walls import sentence, walls
from reconciler.providers.image_files.source_disks import SourceDisk, digest_of


@dataclass(frozen=True, slots=True)
class InspectedDisk:
    """One disk: `os`, or `data-LUN` of an archive. Sizes in bytes; `file_size` is that of its image, `compression` how
    that is compressed. `digest` only if it was asked for."""

    name: str
    format: DiskFormat
    file_size: int
    features: tuple[str, ...]
    compression: str
    contents: ImageContents | None
    uses: tuple[Use, ...]
    digest: ContentDigest | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file is no usable image; `facts` is what its header says nevertheless."""

    why: str
    remedy: str
    facts: DiskFormat | None = None


@dataclass(frozen=True, slots=True)
class Jail:
    """What would hold qemu-img here: `walls` of this kernel, and a `sentence` about them."""

    installed: bool
    walls: frozenset[Wall]
    sentence: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of the file at `path`. `file_size` is its length in bytes, `allocated` what it takes up on its
    disk. Without a `refusal` there is at least one disk. `firmware` and `warnings` are those of an archive."""

    path: str
    file_size: int
    allocated: int
    disks: tuple[InspectedDisk, ...]
    refusal: Refusal | None
    jail: Jail
    firmware: str = ""
    warnings: tuple[str, ...] = ()


def inspect_image(path: str, machine: str = "", *, digest: bool = False) -> Inspection:
    """Inspects the image, or the archive, at `path`; `machine` is the one of several in an archive. `digest`: read all
    of it. A compressed image is unpacked into a temporary file, as apply does."""
    trust = Trust(directories=(Path(os.path.realpath(path)).parent,))
    sources, source = FileSources(os.getcwd(), trust), {"file": path, **({"machine": machine} if machine else {})}
    found: Sequence[SourceDisk] = ()
    refusal, disks = None, []
    try:
        found = sources.disks(source, None, unpack=False)
        disks = [_inspected(disk, trust, digest=digest) for disk in found]
    except UnusableImage as error:
        refusal = Refusal(error.message, error.remedy, error.facts)
    except ProviderError as error:
        refusal = Refusal(error.message, error.remedy)
    length, allocated = _sizes(path)
    firmware, warnings = (found[0].firmware, found[0].warnings) if found else ("", ())
    return Inspection(path, length, allocated, tuple(disks), refusal, _jail(), firmware, warnings)


def _inspected(disk: SourceDisk, trust: Trust, *, digest: bool) -> InspectedDisk:
    """Raises: ProviderError."""
    packed = disk.compression
    disk = unpacked_disk(disk, trust.downloads.unpacked)
    contents = contents_of(disk.extent, disk.format)
    return InspectedDisk(
        disk.disk,
        disk.format,
        disk.extent.size,
        features_of(disk.extent, disk.format),
        packed.value if packed else "",
        contents,
        tuple(uses_of(disk.format, contents, packed=packed is not None)),
        digest_of([disk], None, plain=True) if digest else None,
    )


def _sizes(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_blocks * 512


def _jail() -> Jail:
    installed = shutil.which("qemu-img") is not None
    try:
        standing = walls()
    except JailError as error:
        return Jail(installed, frozenset(), f"it cannot be started: {error}")
    return Jail(installed, standing, sentence(standing))
