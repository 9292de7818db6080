"""VDI of VirtualBox. Source: block/vdi.c of QEMU, which is written after VirtualBox' own VDICore.h."""

from __future__ import annotations

import struct

from reconciler.providers.image_files.formats.disk_format import SECTOR, DiskFormat
from reconciler.providers.image_files.formats.reading import ImageReader

_VERSION = 0x00010001
_BLOCK_SIZE = 1 << 20
_KINDS = (1, 2)
"""Dynamic and fixed; 3 (undo) and 4 (differencing) depend on another image."""
_FIRST_SPECIAL = 0xFFFFFFFE
"""Entries of the block map from here on stand for blocks of zeros, which are not stored."""
_NIL = bytes(16)


def vdi(image: ImageReader, head: bytes) -> DiskFormat:
    """The format of an image with the signature of VDI. Raises: SourceError."""
    image.kind = "VDI"
    if len(head) < SECTOR:
        raise image.damaged("its header is incomplete")
    version, header_size, kind = struct.unpack_from("<III", head, 0x44)
    map_offset, data_offset = struct.unpack_from("<II", head, 0x154)
    sector_size, _, disk_size, block_size, extra, blocks, allocated = struct.unpack_from("<IIQIIII", head, 0x168)
    if version != _VERSION or header_size < 0x180:
        raise image.unsupported(f"its version is {version >> 16}.{version & 0xFFFF}, and not 1.1")
    if kind not in _KINDS or head[0x1A8:0x1B8] != _NIL or head[0x1B8:0x1C8] != _NIL:
        raise image.dependent("a differencing VDI")
    if sector_size != SECTOR or block_size != _BLOCK_SIZE or extra:
        raise image.unsupported("its sectors or blocks are of another size than 512 bytes and 1 MiB")
    if map_offset % SECTOR or data_offset % SECTOR:
        raise image.damaged("its header cannot be read")
    virtual_size = -(-disk_size // SECTOR) * SECTOR
    image.require_size(virtual_size, (1 << 63) - SECTOR)
    if disk_size > blocks * block_size:
        raise image.damaged("its block map is smaller than its disk")
    _check_blocks(image, (map_offset, data_offset), blocks, allocated)
    return DiskFormat("vdi", virtual_size)


def _check_blocks(image: ImageReader, offsets: tuple[int, int], blocks: int, allocated: int) -> None:
    """Raises: SourceError if a block is beyond those that are allocated, or beyond the end of the file."""
    map_offset, data_offset = offsets
    if map_offset < SECTOR or map_offset + 4 * blocks > data_offset or allocated > blocks:
        raise image.damaged("its block map does not fit before its data")
    for _, entries in image.numbers(map_offset, blocks, "I", "little", "its block map"):
        last = max((entry for entry in entries if entry < _FIRST_SPECIAL), default=-1)
        if last >= allocated:
            raise image.damaged("its block map names a block that it does not have")
    if data_offset + allocated * _BLOCK_SIZE > image.size:
        raise image.damaged("a block is beyond the end")
