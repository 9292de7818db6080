"""GPT: the header, whose checksums must be right, and its entries. Source: UEFI Specification 2.10, 5.3."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from uuid import UUID

from reconciler.providers.image_contents import Partition
from reconciler.providers.image_files.formats.disk_format import SECTOR
from reconciler.providers.image_files.formats.reading import ReadAt

SECTOR_SIZES = (SECTOR, 4096)
_SIGNATURE = b"EFI PART"
_HEADER = 92
_MOST_ENTRIES = 512
_LARGEST_ENTRY = 1024
_LEGACY_BOOT = 1 << 2
_UNUSED = bytes(16)
_ESP, _BIOS_BOOT = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "21686148-6449-6e6f-744e-656564454649"
_TYPES = {
    _ESP: "EFI system",
    _BIOS_BOOT: "BIOS boot",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x64)",
    "b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (Arm64)",
    "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux /boot",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
    "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
    "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery",
    "9e1a2d38-c612-4316-aa26-8b49521e5a8b": "PowerPC PReP boot",
    "516e7cb4-6ecf-11d6-8ff8-00022d09712b": "FreeBSD",
}


@dataclass(frozen=True, slots=True)
class Gpt:
    """A table that could be read. `starts_bios`: it has a partition that only a BIOS needs."""

    sector_size: int
    partitions: tuple[Partition, ...]
    efi: frozenset[int]
    starts_bios: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Header:
    """Positions in sectors of `sector_size` bytes."""

    sector_size: int
    here: int
    other: int
    entries_at: int
    count: int
    entry_size: int
    entries_sum: int


def find_gpt(read: ReadAt, size: int) -> Gpt | None:
    """The table at the beginning of the disk, or else the copy at its end; None without either. What has the signature
    and a wrong checksum is a table without partitions."""
    damaged = None
    for at_end in (False, True):
        for sector_size in SECTOR_SIZES:
            block = read(size - sector_size if at_end else sector_size, sector_size)
            if not block.startswith(_SIGNATURE):
                continue
            header = _header(block, sector_size)
            entries = _entries(read, header) if header else None
            if header and entries is not None:
                return _table(header, entries, size, at_end=at_end)
            damaged = damaged or Gpt(sector_size, (), frozenset(), False, ("its GPT is damaged: a checksum is wrong",))
    return damaged


def _header(block: bytes, sector_size: int) -> _Header | None:
    """The header, if its checksum is right and its numbers are possible."""
    length, stored = struct.unpack_from("<II", block, 12)
    if not _HEADER <= length <= len(block):
        return None
    if zlib.crc32(block[:16] + bytes(4) + block[20:length]) != stored:
        return None
    here, other = struct.unpack_from("<QQ", block, 24)
    entries_at, count, entry_size, entries_sum = struct.unpack_from("<QIII", block, 72)
    if entry_size < 128 or entry_size > _LARGEST_ENTRY or entry_size % 8:
        return None
    return _Header(sector_size, here, other, entries_at, count, entry_size, entries_sum)


def _entries(read: ReadAt, header: _Header) -> bytes | None:
    """The entries, at most _MOST_ENTRIES of them; None if they are not what the header says. The sum of more of them
    than are read is not compared."""
    length = min(header.count, _MOST_ENTRIES) * header.entry_size
    content = read(header.entries_at * header.sector_size, length)
    if len(content) < length or (header.count <= _MOST_ENTRIES and zlib.crc32(content) != header.entries_sum):
        return None
    return content


def _table(header: _Header, entries: bytes, size: int, *, at_end: bool) -> Gpt:
    partitions, efi, starts_bios = [], set(), False
    for number, at in enumerate(range(0, len(entries), header.entry_size), 1):
        kind, first, last, flags = struct.unpack_from("<16s16xQQQ", entries, at)
        if kind == _UNUSED:
            continue
        name = str(UUID(bytes_le=kind))
        start, length = first * header.sector_size, max(0, last - first + 1) * header.sector_size
        partitions.append(Partition(number, start, length, _TYPES.get(name, name)))
        starts_bios = starts_bios or name == _BIOS_BOOT or bool(flags & _LEGACY_BOOT)
        if name == _ESP:
            efi.add(number)
    return Gpt(header.sector_size, tuple(partitions), frozenset(efi), starts_bios, _problems(header, size, at_end))


def _problems(header: _Header, size: int, at_end: bool) -> tuple[str, ...]:
    problems = []
    if at_end:
        problems.append("its GPT is damaged or missing: only the copy at the end of the disk can be read")
    elif (header.other + 1) * header.sector_size > size:
        problems.append("its GPT was made for a larger disk: the copy of it is beyond the end")
    if header.count > _MOST_ENTRIES:
        problems.append(f"its GPT has room for {header.count} partitions, of which the first {_MOST_ENTRIES} were read")
    return tuple(problems)
