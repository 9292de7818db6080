"""The grains of a VMDK. Source: VMware Virtual Disk Format 5.0, hosted sparse extents."""

from __future__ import annotations

import zlib

from reconciler.providers.image_files.formats.disk_format import SECTOR
from reconciler.providers.image_files.formats.reading import ImageReader
from reconciler.providers.image_files.formats.vmdk import COMPRESSED, MARKERS, ZEROED_GRAINS, current_header
from reconciler.providers.image_files.guest_blocks.blocks import Locate, Piece, Unpacking, compressed_with

_LARGEST_GRAIN = 1 << 20


def open_blocks(image: ImageReader) -> Locate:
    """Where each part of the disk is. Raises: SourceError."""
    header = current_header(image, image.part(0, SECTOR, "its header"))
    size = header.grain * SECTOR
    unpacking = Unpacking()

    def sector_of(number: int) -> int:
        row, entry = divmod(number, header.per_table)
        (table,) = image.fields(header.directory * SECTOR + 4 * row, "<I", "its grain directory")
        (sector,) = image.fields(table * SECTOR + 4 * entry, "<I", "a grain table") if table else (0,)
        return 0 if sector == 1 and header.flags & ZEROED_GRAINS else int(sector)

    def locate(position: int) -> Piece:
        number, within = divmod(position, size)
        sector = sector_of(number)
        if not sector:
            return Piece(size - within)
        if not header.flags & COMPRESSED:
            return Piece(size - within, sector * SECTOR + within)
        if not header.flags & MARKERS or size > _LARGEST_GRAIN:
            compressed_with("deflate, in grains without a length or of more than 1 MiB")
        content = unpacking.block(sector, lambda: _unpacked(image, sector, size))
        return Piece(size - within, content=content[within:])

    return locate


def _unpacked(image: ImageReader, sector: int, size: int) -> bytes:
    """The content of a compressed grain: at most `size` bytes of it. Raises: SourceError, zlib.error."""
    (length,) = image.fields(sector * SECTOR + 8, "<I", "a grain")
    return zlib.decompressobj().decompress(image.part(sector * SECTOR + 12, length, "a grain"), size)
