"""VMDK in one file: monolithicSparse and streamOptimized.

Source: VMware Virtual Disk Format 5.0, hosted sparse extents; block/vmdk.c of QEMU, which looks for the descriptor at
byte 512, whatever the header says, and opens the files that a descriptor names if the header's capacity is 0.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import SECTOR, DiskFormat
from reconciler.providers.image_files.formats.reading import CONVERT, ImageReader
from reconciler.providers.image_files.formats.vmdk_descriptor import check_descriptor

_VERSIONS = (1, 2, 3)
_NEWLINES, _SPARE_TABLES, ZEROED_GRAINS, COMPRESSED, MARKERS = 1, 2, 4, 1 << 16, 1 << 17
_FLAGS = _NEWLINES | _SPARE_TABLES | ZEROED_GRAINS | COMPRESSED | MARKERS
_NO_DIRECTORY = 0xFFFFFFFFFFFFFFFF
_DIRECTORY_AT = slice(56, 64)
_LAID_OUT_BY_QEMU = 20 * SECTOR
"""How far QEMU reads for a descriptor."""
_LONGEST_DESCRIPTOR = 128 * SECTOR
_LARGEST_GRAIN = 1 << 16
_FOOTER_MARKERS = tuple(struct.pack("<QII", sectors, 0, 3) for sectors in (0, 1))
_END_MARKER = bytes(16)


@dataclass(frozen=True, slots=True)
class Header:
    """Sizes and offsets in sectors; `directory` is where the grain directory is."""

    version: int
    flags: int
    capacity: int
    grain: int
    descriptor: int
    descriptor_size: int
    per_table: int
    spare_directory: int
    directory: int
    overhead: int
    unclean: bool
    newlines: bytes
    compression: int

    @property
    def tables(self) -> int:
        return -(-self.capacity // (self.grain * self.per_table))


def current_header(image: ImageReader, head: bytes) -> Header:
    """The header that says where the grain directory is: that at the end, where the one in `head` leaves it to that.

    Raises: SourceError.
    """
    header = _parsed(head)
    return _parsed(_footer(image, head)) if header.directory == _NO_DIRECTORY else header


def vmdk(image: ImageReader, head: bytes) -> DiskFormat:
    """The format of an image with the signature of a hosted sparse extent. Raises: SourceError."""
    image.kind = "VMDK"
    if len(head) < SECTOR:
        raise image.damaged("its header is incomplete")
    header = _parsed(head)
    _check_header(image, header)
    check_descriptor(image, _descriptor(image, header), header.capacity, header.grain)
    header = current_header(image, head)
    _check_tables(image, header)
    return DiskFormat("vmdk", header.capacity * SECTOR, dirty=header.unclean)


def _parsed(head: bytes) -> Header:
    return Header(*struct.unpack_from("<IIQQQQIQQQ?4sH", head, 4))


def _check_header(image: ImageReader, header: Header) -> None:
    if header.version not in _VERSIONS or header.flags & ~_FLAGS:
        raise image.unsupported(f"its version {header.version} or its flags {header.flags:#x} are unknown")
    if header.compression not in (0, 1) or (header.compression == 1) != bool(header.flags & COMPRESSED):
        raise image.unsupported("its compression is unknown")
    if header.flags & _NEWLINES and header.newlines != b"\n \r\n":
        raise image.damaged("it was transferred as text")
    if not header.capacity:
        raise image.damaged("its header declares no capacity")
    if not 0 < header.grain <= _LARGEST_GRAIN or header.grain & (header.grain - 1) or not 0 < header.per_table <= 512:
        raise image.damaged("its header cannot be read")
    if header.overhead * SECTOR > image.size:
        raise image.damaged("its first grain is beyond the end")
    if not header.descriptor:
        raise SourceError(f"{image.label} is one part of a VMDK that is split into several files", CONVERT)


def _descriptor(image: ImageReader, header: Header) -> bytes:
    """The text of the descriptor, which must be the only one that any reader can find."""
    length = header.descriptor_size * SECTOR
    if header.descriptor != 1 or not 0 < length <= _LONGEST_DESCRIPTOR:
        raise image.unsupported("its descriptor is not right behind its header")
    text, _, rest = image.part(SECTOR, length, "its descriptor").partition(b"\0")
    if rest.strip(b"\0") or (not rest and length < _LAID_OUT_BY_QEMU):
        raise image.damaged("its descriptor has no clear end")
    if not text.strip():
        raise SourceError(f"{image.label} is one part of a VMDK that is split into several files", CONVERT)
    return text


def _footer(image: ImageReader, head: bytes) -> bytes:
    """The copy of the header at the end, which knows where the directory is."""
    if image.size % SECTOR or image.size < 4 * SECTOR:
        raise image.damaged("the footer at its end is missing")
    marker, footer, end = (image.part(image.size - back * SECTOR, SECTOR, "its footer") for back in (3, 2, 1))
    if marker[:16] not in _FOOTER_MARKERS or end[:16] != _END_MARKER or not footer.startswith(b"KDMV"):
        raise image.damaged("the footer at its end is missing")
    if _without_directory(footer) != _without_directory(head[:SECTOR]):
        raise image.damaged("its header and its footer contradict each other")
    return footer


def _without_directory(header: bytes) -> bytes:
    return header[: _DIRECTORY_AT.start] + header[_DIRECTORY_AT.stop :]


def _check_tables(image: ImageReader, header: Header) -> None:
    """Raises: SourceError if a table or a grain is beyond the end."""
    if header.flags & _SPARE_TABLES and (header.spare_directory * SECTOR + 4 * header.tables) > image.size:
        raise image.damaged("its second grain directory is beyond the end")
    last, index = 0, 0
    for first, tables in image.numbers(header.directory * SECTOR, header.tables, "I", "little", "its grain directory"):
        for number, table in enumerate(tables, first):
            if table:
                grain, within = _last_grain(image, header, table)
                last, index = max((last, index), (grain, number * header.per_table + within))
    if last:
        _check_grain(image, header, last, index)


def _last_grain(image: ImageReader, header: Header, table: int) -> tuple[int, int]:
    """The highest sector of a grain in a table, and the number of its entry; 0 if it has none."""
    for first, grains in image.numbers(table * SECTOR, header.per_table, "I", "little", "a grain table"):
        last = max(grains)
        return last, first + grains.index(last)
    return 0, 0


def _check_grain(image: ImageReader, header: Header, sector: int, index: int) -> None:
    """Raises: SourceError if the grain `index` of the disk, stored from `sector` on, is beyond the end."""
    if sector == 1 and header.flags & ZEROED_GRAINS:
        return
    needed = min(header.grain, max(1, header.capacity - index * header.grain)) * SECTOR
    if header.compression and header.flags & MARKERS:
        (length,) = image.fields(sector * SECTOR + 8, "<I", "a grain")
        needed = 12 + length
    elif header.compression:
        needed = 1
    if sector * SECTOR + needed > image.size:
        raise image.damaged("a grain is beyond the end")
