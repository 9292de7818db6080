"""VHDX. Source: [MS-VHDX] 2.2 to 2.6; block/vhdx.c of QEMU, which reads the first region table only."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from reconciler.providers.image_files.formats.disk_format import SECTOR, DiskFormat, UnusableImage
from reconciler.providers.image_files.formats.reading import ImageReader

_KIB, _MIB, _TIB = 1 << 10, 1 << 20, 1 << 40
_HEADERS, _HEADER_SIZE = (64 * _KIB, 128 * _KIB), 4 * _KIB
_REGION_TABLE, _TABLE_SIZE, _MOST_ROWS = 192 * _KIB, 64 * _KIB, 2047
_NIL = bytes(16)
_PRESENT = (6, 7)
"""The states of a block of which all, or a part, is in the file."""

_BAT = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
_METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
_FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
_VIRTUAL_DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
_DISK_ID = UUID("beca12ab-b2e6-4523-93ef-c309e000c746").bytes_le
_LOGICAL_SECTOR_SIZE = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f").bytes_le
_PHYSICAL_SECTOR_SIZE = UUID("cda348c7-445d-4471-9cc9-e9885251c556").bytes_le
_PARENT = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le
_ITEMS = {_FILE_PARAMETERS: 8, _VIRTUAL_DISK_SIZE: 8, _DISK_ID: 16, _LOGICAL_SECTOR_SIZE: 4, _PHYSICAL_SECTOR_SIZE: 4}
"""The metadata that every VHDX has, and the size in bytes of each item."""

_CASTAGNOLI = 0x82F63B78
_crc_table: list[int] = []


@dataclass(frozen=True, slots=True)
class _Range:
    """A part of the file: the log, or a region."""

    offset: int
    length: int

    def overlaps(self, other: _Range) -> bool:
        return self.offset < other.offset + other.length and other.offset < self.offset + self.length


def vhdx(image: ImageReader, _head: bytes) -> DiskFormat:
    """The format of an image with the signature of VHDX. Raises: SourceError."""
    image.kind = "VHDX"
    log, is_dirty = _log(image, _current_header(image))
    regions = _regions(image)
    ranges = [log, *regions.values()] if log.length else list(regions.values())
    _check_ranges(image, ranges)
    items = _items(image, regions[_METADATA])
    block_size, flags = struct.unpack("<II", items[_FILE_PARAMETERS])
    if flags & 2:
        raise image.dependent("a differencing VHDX")
    facts = _facts(image, items, is_dirty)
    if not _MIB <= block_size <= 256 * _MIB or block_size & (block_size - 1):
        raise image.damaged(f"its block size of {block_size} bytes is none that the format allows")
    _check_blocks(image, regions[_BAT], ranges, block_size, facts)
    return facts


def block_table(image: ImageReader) -> tuple[int, int, int]:
    """Of a recognised image: the offset of its block table, and the sizes of its blocks and sectors, in bytes."""
    regions = _regions(image)
    items = _items(image, regions[_METADATA])
    block_size = int.from_bytes(items[_FILE_PARAMETERS][:4], "little")
    return regions[_BAT].offset, block_size, int.from_bytes(items[_LOGICAL_SECTOR_SIZE], "little")


def _current_header(image: ImageReader) -> bytes:
    """The valid header with the higher sequence number."""
    valid = []
    for offset in _HEADERS:
        header = image.part(offset, _HEADER_SIZE, "its header")
        version = int.from_bytes(header[66:68], "little")
        if header.startswith(b"head") and version == 1 and _sum_is_right(header):
            valid.append((int.from_bytes(header[8:16], "little"), header))
    if not valid:
        raise image.damaged("neither of its headers is valid")
    if len(valid) == 2 and valid[0][0] == valid[1][0] and valid[0][1] != valid[1][1]:
        raise image.damaged("its two headers contradict each other")
    return max(valid, key=lambda pair: pair[0])[1]


def _sum_is_right(block: bytes) -> bool:
    return crc32c(block[:4] + bytes(4) + block[8:]) == int.from_bytes(block[4:8], "little")


def _log(image: ImageReader, header: bytes) -> tuple[_Range, bool]:
    """Where the log is, and whether it has entries to replay."""
    version, _, length, offset = struct.unpack_from("<HHIQ", header, 64)
    if version != 0 or length % _MIB or offset % _MIB or offset < _MIB:
        raise image.damaged("its log is none that the format allows")
    return _Range(offset, length), header[48:64] != _NIL


def _regions(image: ImageReader) -> dict[bytes, _Range]:
    table = image.part(_REGION_TABLE, _TABLE_SIZE, "its region table")
    count = int.from_bytes(table[8:12], "little")
    if not table.startswith(b"regi") or not _sum_is_right(table) or count > _MOST_ROWS:
        raise image.damaged("its region table cannot be read")
    regions: dict[bytes, _Range] = {}
    for row in range(count):
        name, offset, length = struct.unpack_from("<16sQI", table, 16 + 32 * row)
        if name in regions or name not in (_BAT, _METADATA):
            raise image.unsupported("it has a region that is unknown or occurs twice")
        regions[name] = _Range(offset, length)
    if _METADATA not in regions or _BAT not in regions:
        raise image.damaged("its region table cannot be read")
    return regions


def _check_ranges(image: ImageReader, ranges: list[_Range]) -> None:
    for number, part in enumerate(ranges):
        if part.offset + part.length > image.size:
            raise image.damaged("a region is beyond the end")
        if part.offset < _MIB or part.offset % _MIB or not part.length or part.length % _MIB:
            raise image.damaged("a region is not of whole MiB")
        if any(part.overlaps(other) for other in ranges[:number]):
            raise image.damaged("two of its regions overlap")


def _items(image: ImageReader, region: _Range) -> dict[bytes, bytes]:
    """The content of the metadata items that every VHDX has."""
    table = image.part(region.offset, _TABLE_SIZE, "its metadata")
    count = int.from_bytes(table[10:12], "little")
    if not table.startswith(b"metadata") or count > _MOST_ROWS:
        raise image.damaged("its metadata cannot be read")
    items: dict[bytes, bytes] = {}
    for row in range(count):
        name, offset, length, flags = struct.unpack_from("<16sIII", table, 32 + 32 * row)
        if name == _PARENT:
            raise image.dependent("a differencing VHDX")
        if name in items or (name not in _ITEMS and flags & 4):
            raise image.unsupported("it has metadata that is unknown or occurs twice")
        if name in _ITEMS:
            if length != _ITEMS[name] or offset < _TABLE_SIZE or offset + length > region.length:
                raise image.damaged("its metadata cannot be read")
            items[name] = image.part(region.offset + offset, length, "its metadata")
    if len(items) < len(_ITEMS):
        raise image.damaged("its metadata is incomplete")
    return items


def _facts(image: ImageReader, items: Mapping[bytes, bytes], is_dirty: bool) -> DiskFormat:
    """Raises: UnusableImage for what only Hyper-V can read."""
    virtual_size, sector, physical = (
        int.from_bytes(items[name], "little")
        for name in (_VIRTUAL_DISK_SIZE, _LOGICAL_SECTOR_SIZE, _PHYSICAL_SECTOR_SIZE)
    )
    if sector not in (SECTOR, 4096) or physical not in (SECTOR, 4096):
        raise image.damaged(f"its sector size of {sector} bytes is none that the format allows")
    image.require_size(virtual_size, 64 * _TIB, sector)
    facts = DiskFormat("vhdx", virtual_size, sector, is_dirty)
    if is_dirty:
        raise UnusableImage(
            f"{image.label} is a VHDX image that was not closed: its log has changes that are not in the disk yet",
            "attach it once to Hyper-V (Mount-VHD, Dismount-VHD), or repair a copy: qemu-img check -r all IMAGE",
            facts,
        )
    if sector != SECTOR:
        raise UnusableImage(
            f"{image.label} is a VHDX image with sectors of {sector} bytes, and only those of 512 can be used",
            "install the system on a disk with sectors of 512 bytes: New-VHD -LogicalSectorSizeBytes 512",
            facts,
        )
    return facts


def _check_blocks(image: ImageReader, table: _Range, ranges: list[_Range], block_size: int, facts: DiskFormat) -> None:
    """Raises: SourceError if the block table is too small, or a block that is present is not a place of its own."""
    blocks = -(-facts.virtual_size // block_size)
    per_bitmap = (1 << 23) * facts.sector_size // block_size
    count = blocks + (blocks - 1) // per_bitmap
    if 8 * count > table.length:
        raise image.damaged("its block table is smaller than its disk")
    for _, entries in image.numbers(table.offset, count, "Q", "little", "its block table"):
        for entry in set(entries):
            if entry & 7 in _PRESENT:
                _check_block(image, _Range(entry >> 20 << 20, block_size), ranges)


def _check_block(image: ImageReader, block: _Range, ranges: list[_Range]) -> None:
    if block.offset + block.length > image.size:
        raise image.damaged("a block is beyond the end")
    if block.offset < _MIB or any(block.overlaps(part) for part in ranges):
        raise image.damaged("a block overlaps its own tables")


def crc32c(content: bytes) -> int:
    """The CRC-32C of `content`, which is not in the standard library. Source: RFC 3720, appendix B.4."""
    if not _crc_table:
        _crc_table.extend(_entry(number) for number in range(256))
    table, remainder = _crc_table, 0xFFFFFFFF
    for byte in content:
        remainder = table[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
    return remainder ^ 0xFFFFFFFF


def _entry(number: int) -> int:
    for _ in range(8):
        number = (number >> 1) ^ (_CASTAGNOLI if number & 1 else 0)
    return number
