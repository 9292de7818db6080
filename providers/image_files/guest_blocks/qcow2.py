"""The clusters of a qcow2 image. Source: docs/interop/qcow2.rst of QEMU."""

from __future__ import annotations

import zlib

from reconciler.providers.image_files.formats.qcow2 import Header, parsed_header
from reconciler.providers.image_files.formats.reading import ImageReader
from reconciler.providers.image_files.guest_blocks.blocks import Locate, Piece, Unpacking, compressed_with

_HEAD = 112
_COMPRESSION_AT, _ZLIB = 104, 0
_OFFSET = (1 << 56) - (1 << 9)
_COMPRESSED = 1 << 62
_ZEROS = 1
_SUBCLUSTERS = 32


def open_blocks(image: ImageReader) -> Locate:
    """Where each part of the disk is. Raises: SourceError."""
    head = image.part(0, min(_HEAD, image.size), "its header")
    return _Clusters(image, parsed_header(image, head), head).locate


class _Clusters:
    def __init__(self, image: ImageReader, header: Header, head: bytes) -> None:
        self._image = image
        self._header = header
        self._width = 16 if header.has_extended_l2 else 8
        has_field = header.version == 3 and header.length > _COMPRESSION_AT
        self._is_zlib = not has_field or head[_COMPRESSION_AT] == _ZLIB
        self._unpacking = Unpacking()

    def locate(self, position: int) -> Piece:
        """Raises: SourceError, zlib.error; Unmapped for other compression than zlib."""
        cluster = self._header.cluster
        number, within = divmod(position, cluster)
        entry, subclusters = self._entry(number)
        if entry & _COMPRESSED:
            return Piece(cluster - within, content=self._unpacking.block(entry, lambda: self._unpacked(entry))[within:])
        offset = entry & _OFFSET
        if self._header.has_extended_l2:
            return self._in_subcluster(offset, subclusters, within)
        if not offset or (entry & _ZEROS and self._header.version == 3):
            return Piece(cluster - within)
        return Piece(cluster - within, offset + within)

    def _in_subcluster(self, offset: int, subclusters: int, within: int) -> Piece:
        size = self._header.cluster // _SUBCLUSTERS
        number, inside = divmod(within, size)
        is_stored = offset and subclusters >> number & 1
        return Piece(size - inside, offset + within if is_stored else None)

    def _entry(self, number: int) -> tuple[int, int]:
        """The L2 entry of a cluster, and its bits for subclusters."""
        row, column = divmod(number, self._header.cluster // self._width)
        (l1,) = self._image.fields(self._header.l1_offset + 8 * row, ">Q", "its L1 table")
        table = l1 & _OFFSET
        if not table:
            return 0, 0
        place = table + self._width * column
        (entry,) = self._image.fields(place, ">Q", "an L2 table")
        (bits,) = self._image.fields(place + 8, ">Q", "an L2 table") if self._width == 16 else (0,)
        return entry, bits

    def _unpacked(self, entry: int) -> bytes:
        """The content of a compressed cluster: at most one cluster of it."""
        if not self._is_zlib:
            compressed_with("zstd")
        offset_bits = 62 - (self._header.cluster_bits - 8)
        offset = entry & ((1 << offset_bits) - 1)
        sectors = ((entry & (_COMPRESSED - 1)) >> offset_bits) + 1
        length = min(sectors * 512 - offset % 512, self._image.size - offset, 2 << 20)
        packed = self._image.part(offset, length, "a compressed cluster")
        return zlib.decompressobj(-15).decompress(packed, self._header.cluster)
