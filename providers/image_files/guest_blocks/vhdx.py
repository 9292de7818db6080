"""The blocks of a VHDX. Source: [MS-VHDX] 2.5."""

from __future__ import annotations

from reconciler.providers.image_files.formats.reading import ImageReader
from reconciler.providers.image_files.formats.vhdx import block_table
from reconciler.providers.image_files.guest_blocks.blocks import Locate, in_blocks

_PRESENT = 6
_SECTORS_PER_BITMAP = 1 << 23


def open_blocks(image: ImageReader) -> Locate:
    """Where each part of the disk is. Raises: SourceError."""
    table, block_size, sector_size = block_table(image)
    per_bitmap = max(1, _SECTORS_PER_BITMAP * sector_size // block_size)

    def place(number: int) -> int | None:
        (entry,) = image.fields(table + 8 * (number + number // per_bitmap), "<Q", "its block table")
        return entry >> 20 << 20 if entry & 7 == _PRESENT else None

    return in_blocks(block_size, place)
