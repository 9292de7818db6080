"""The blocks of a dynamic VHD. Source: Virtual Hard Disk Image Format Specification 1.0; block/vpc.c of QEMU."""

from __future__ import annotations

from reconciler.providers.image_files.formats.disk_format import SECTOR
from reconciler.providers.image_files.formats.reading import ImageReader
from reconciler.providers.image_files.guest_blocks.blocks import Locate, in_blocks

_NO_BLOCK = 0xFFFFFFFF


def open_blocks(image: ImageReader) -> Locate:
    """Where each part of the disk is. Raises: SourceError."""
    (header,) = image.fields(16, ">Q", "its footer")
    table, block_size = image.fields(header + 16, ">Q8xI", "its dynamic header")
    bitmap = -(-(block_size // SECTOR) // (8 * SECTOR)) * SECTOR

    def place(number: int) -> int | None:
        (entry,) = image.fields(table + 4 * number, ">I", "its block table")
        return None if entry == _NO_BLOCK else entry * SECTOR + bitmap

    return in_blocks(block_size, place)
