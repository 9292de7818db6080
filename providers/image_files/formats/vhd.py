"""VHD, fixed and dynamic. Source: Virtual Hard Disk Image Format Specification 1.0; block/vpc.c of QEMU."""

from __future__ import annotations

import struct

from reconciler.providers.image_files.formats.disk_format import SECTOR, DiskFormat
from reconciler.providers.image_files.formats.reading import ImageReader

_VERSION = 0x00010000
_LARGEST = 0xFF000000 * SECTOR
"""2040 GiB, the most that a VHD can have."""
_FIXED, _DYNAMIC, _DIFFERENCING = 2, 3, 4
_NO_BLOCK = 0xFFFFFFFF


def vhd_checksum(block: bytes, position: int = 64) -> int:
    """The ones' complement of the sum of a footer's or header's bytes, with the checksum at `position` as zero."""
    return ~(sum(block) - sum(block[position : position + 4])) & 0xFFFFFFFF


def fixed_vhd(image: ImageReader, footer: bytes) -> DiskFormat:
    """The format of an image that ends with `footer`. Raises: SourceError."""
    image.kind = "VHD"
    virtual_size, kind = _footer(image, footer)
    if kind != _FIXED:
        raise image.damaged("it ends like a dynamic VHD but does not start like one")
    if virtual_size != image.size - SECTOR:
        raise image.damaged(f"its footer declares {virtual_size} bytes, but it has {image.size - SECTOR}")
    return DiskFormat("vhd-fixed", virtual_size)


def dynamic_vhd(image: ImageReader, head: bytes) -> DiskFormat:
    """The format of an image that starts with a copy of its footer. Raises: SourceError."""
    image.kind = "VHD"
    footer = head[:SECTOR]
    virtual_size, kind = _footer(image, footer)
    if kind == _DIFFERENCING:
        raise image.dependent("a differencing VHD")
    if kind != _DYNAMIC:
        raise image.unsupported(f"its type is {kind}, and not fixed or dynamic")
    if image.size < 2 * SECTOR or image.part(image.size - SECTOR, SECTOR, "its footer") != footer:
        raise image.damaged("the footer at its end is missing")
    image.require_size(virtual_size, _LARGEST)
    _check_blocks(image, int.from_bytes(footer[16:24], "big"), virtual_size)
    return DiskFormat("vhd-dynamic", virtual_size)


def _footer(image: ImageReader, footer: bytes) -> tuple[int, int]:
    """The size and the type that a footer declares."""
    _check_sum(image, footer, 64)
    version, virtual_size, kind = struct.unpack_from(">12xI32xQ4xI", footer)
    if version != _VERSION:
        raise image.unsupported(f"its version is {version >> 16}.{version & 0xFFFF}, and not 1.0")
    image.require_size(virtual_size, (1 << 63) - SECTOR)
    return virtual_size, kind


def _check_sum(image: ImageReader, block: bytes, position: int) -> None:
    stored = int.from_bytes(block[position : position + 4], "big")
    if len(block) < SECTOR or stored != vhd_checksum(block, position):
        raise image.damaged("a checksum in it is wrong")


def _check_blocks(image: ImageReader, header_offset: int, virtual_size: int) -> None:
    """Raises: SourceError if the dynamic header or its table is wrong, or a block is beyond the end."""
    header = image.part(header_offset, 1024, "its dynamic header")
    if not header.startswith(b"cxsparse"):
        raise image.damaged("its dynamic header is missing")
    _check_sum(image, header, 36)
    table, version, entries, block_size = struct.unpack_from(">16xQIII", header)
    if version != _VERSION:
        raise image.unsupported(f"the version of its dynamic header is {version >> 16}.{version & 0xFFFF}, and not 1.0")
    if not SECTOR <= block_size <= 1 << 31 or block_size & (block_size - 1):
        raise image.damaged(f"its block size of {block_size} bytes is not a power of two")
    if entries * block_size < virtual_size:
        raise image.damaged("its block table is smaller than its disk")
    bitmap = -(-(block_size // SECTOR) // (8 * SECTOR)) * SECTOR
    table_end = -(-(table + 4 * entries) // SECTOR) * SECTOR
    if table_end > image.size:
        raise image.damaged("its block table is beyond the end")
    for _, blocks in image.numbers(table, entries, "I", "big", "its block table"):
        last = max((block for block in blocks if block != _NO_BLOCK), default=-1)
        if last * SECTOR + bitmap + block_size > image.size - SECTOR and last >= 0:
            raise image.damaged("a block is beyond the end")
