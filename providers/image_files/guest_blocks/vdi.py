"""The blocks of a VDI. Source: block/vdi.c of QEMU."""

from __future__ import annotations

from reconciler.providers.image_files.formats.reading import ImageReader
from reconciler.providers.image_files.guest_blocks.blocks import Locate, in_blocks

_FIRST_SPECIAL = 0xFFFFFFFE


def open_blocks(image: ImageReader) -> Locate:
    """Where each part of the disk is. Raises: SourceError."""
    map_offset, data_offset = image.fields(0x154, "<II", "its header")
    (block_size,) = image.fields(0x178, "<I", "its header")

    def place(number: int) -> int | None:
        (entry,) = image.fields(map_offset + 4 * number, "<I", "its block map")
        return None if entry >= _FIRST_SPECIAL else data_offset + entry * block_size

    return in_blocks(block_size, place)
