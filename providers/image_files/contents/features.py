"""What kind of image of its format a recognised one is, in phrases for people."""

from __future__ import annotations

import os
from collections.abc import Iterator

from reconciler.providers.image_files.extents import Extent, open_source
from reconciler.providers.image_files.formats.disk_format import SECTOR, DiskFormat
from reconciler.providers.image_files.formats.qcow2 import parsed_header
from reconciler.providers.image_files.formats.reading import ImageReader
from reconciler.providers.image_files.formats.vmdk import COMPRESSED, ZEROED_GRAINS, current_header

_HEAD = 4096
_COMPRESSION_AT = 104
_LAZY_COUNTS = 1


def features_of(extent: Extent, disk_format: DiskFormat) -> tuple[str, ...]:
    """The features of an image that was recognised, such as `version 3`. Raises: SourceError if it is gone."""
    fd = open_source(extent.path, extent.label, followed=extent.followed)
    try:
        image = ImageReader(
            lambda position, length: os.pread(fd, length, extent.offset + position), extent.size, extent.label
        )
        head = image.part(0, min(_HEAD, extent.size), "its beginning")
        found = _BY_FORMAT.get(disk_format.name)
        return tuple(found(image, head)) if found else ()
    finally:
        os.close(fd)


def _of_qcow2(image: ImageReader, head: bytes) -> Iterator[str]:
    header = parsed_header(image, head)
    yield f"version {header.version}"
    yield f"clusters of {header.cluster >> 10} KiB" if header.cluster >= 1024 else f"clusters of {header.cluster} bytes"
    if header.version == 3 and header.length > _COMPRESSION_AT and head[_COMPRESSION_AT]:
        yield "zstd for what is compressed"
    if header.has_extended_l2:
        yield "extended L2 entries"
    if header.compatible & _LAZY_COUNTS:
        yield "lazy reference counts"
    if header.snapshots:
        yield f"internal snapshots: {header.snapshots}, which are not published"


def _of_vmdk(image: ImageReader, head: bytes) -> Iterator[str]:
    header = current_header(image, head[:SECTOR])
    yield "streamOptimized" if header.flags & COMPRESSED else "monolithicSparse"
    yield f"version {header.version}"
    if header.flags & ZEROED_GRAINS:
        yield "zeroed grains"


def _of_vdi(_image: ImageReader, head: bytes) -> Iterator[str]:
    yield "fixed" if head[0x4C] == 2 else "dynamic"


_BY_FORMAT = {"qcow2": _of_qcow2, "vmdk": _of_vmdk, "vdi": _of_vdi}
