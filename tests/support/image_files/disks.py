"""Partitioned disks, byte by byte: tables that tools make, and those that no tool would."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from uuid import UUID

SECTOR = 512
SIZE = 4 << 20
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
BIOS_BOOT = "21686148-6449-6e6f-744e-656564454649"
CODE = b"\xfa\x31\xc0"
PROTECTIVE = (0xEE, 1, 0xFFFFFFFF)
LUKS = b"LUKS\xba\xbe\0\2"
BITLOCKER = b"\xeb\x58\x90-FVE-FS-"

Row = tuple[int, int, int]
"""Type, first sector, sectors."""


def mbr_sector(rows: Sequence[Row], *, code: bytes = b"") -> bytes:
    """A first sector with up to four entries."""
    entries = b"".join(struct.pack("<B3xB3xII", 0, *row) for row in rows)
    return code.ljust(446, b"\0") + entries.ljust(64, b"\0") + b"\x55\xaa"


def disk(parts: Mapping[int, bytes], size: int = SIZE) -> bytes:
    """A disk with bytes at offsets, else zeros."""
    content = bytearray(size)
    for offset, part in parts.items():
        content[offset : offset + len(part)] = part
    return bytes(content)


def gpt_header(
    entries: bytes, *, here: int, other: int, entries_at: int, count: int = 128, entry_size: int = 128
) -> bytes:
    """A header with right checksums, 92 bytes."""
    tail = struct.pack(
        "<QQQQ16sQIII", here, other, 34, 1 << 20, b"d" * 16, entries_at, count, entry_size, zlib.crc32(entries)
    )
    head = b"EFI PART" + struct.pack("<II", 0x10000, 92)
    return head + struct.pack("<II", zlib.crc32(head + bytes(8) + tail), 0) + tail


def gpt_entry(kind: str, first: int, last: int, flags: int = 0) -> bytes:
    return UUID(kind).bytes_le + b"p" * 16 + struct.pack("<QQQ", first, last, flags) + bytes(72)


def gpt_parts(
    partitions: Sequence[tuple[str, int, int]], *, sector: int = SECTOR, size: int = SIZE, rows: Sequence[Row] = ()
) -> dict[int, bytes]:
    """MBR, both headers and both arrays of a disk; the partitions are (type, first, last sector)."""
    entries = b"".join(gpt_entry(*partition) for partition in partitions).ljust(128 * 128, b"\0")
    last = size // sector - 1
    copy_at = last - len(entries) // sector
    return {
        0: mbr_sector([PROTECTIVE, *rows]),
        sector: gpt_header(entries, here=1, other=last, entries_at=2),
        2 * sector: entries,
        copy_at * sector: entries,
        last * sector: gpt_header(entries, here=last, other=1, entries_at=copy_at),
    }


def fat16(loaders: Sequence[bytes] = (b"BOOTX64 EFI",), *, sectors: int = 4200) -> bytes:
    """A FAT16 file system whose EFI/BOOT has empty files of these 11-byte names."""

    def entry(name: bytes, cluster: int, attributes: int) -> bytes:
        return struct.pack("<11sB8xHHHHI", name, attributes, 0, 0, 0, cluster, 0)

    boot = bytearray(SECTOR)
    struct.pack_into("<HBHBHHBH", boot, 11, SECTOR, 1, 1, 2, 16, sectors, 0xF8, 17)
    boot[54:62], boot[510:512] = b"FAT16   ", b"\x55\xaa"
    table = struct.pack("<HHHH", 0xFFF8, 0xFFFF, 0xFFFF, 0xFFFF).ljust(17 * SECTOR, b"\0")
    root = entry(b"EFI        ", 2, 0x10).ljust(SECTOR, b"\0")
    folder = entry(b"BOOT       ", 3, 0x10).ljust(SECTOR, b"\0")
    names = b"".join(entry(name, 0, 0x20) for name in loaders).ljust(SECTOR, b"\0")
    return bytes(boot) + table + table + root + folder + names


def efi_disk(loaders: Sequence[bytes] = (b"BOOTX64 EFI",), *, bios: bool = False) -> bytes:
    """A GPT with an EFI system partition; `bios`: and boot code with a partition for it."""
    partitions = [(ESP, 2048, 6300), *([(BIOS_BOOT, 64, 127)] if bios else [])]
    parts = gpt_parts(partitions) | {2048 * SECTOR: fat16(loaders)}
    return disk(parts | ({0: mbr_sector([PROTECTIVE], code=CODE)} if bios else {}))


def bios_disk() -> bytes:
    """An MBR with code and one partition of Linux."""
    return disk({0: mbr_sector([(0x83, 2048, 2048)], code=CODE)})
