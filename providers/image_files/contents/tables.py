"""MBR and GPT partition tables, whatever is in them: every list has an end, every number is compared with the disk.

Source: UEFI Specification 2.10, chapter 5. Of the parsers on PyPI dissect.volume is AGPL, pyparted needs libparted,
which is GPL, and the others are no longer maintained or trust what they read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler.providers.image_contents import Partition, Table
from reconciler.providers.image_files.contents.gpt import Gpt, find_gpt
from reconciler.providers.image_files.formats.disk_format import SECTOR
from reconciler.providers.image_files.formats.reading import ReadAt

SIGNATURE = b"\x55\xaa"
_CODE = 440
_ENTRIES_AT, _ENTRY = 446, 16
_PROTECTIVE, _ESP = 0xEE, 0xEF
_EXTENDED = frozenset({0x05, 0x0F, 0x85})
_MOST_LOGICAL = 128
_TYPES = {
    0x07: "NTFS or exFAT",
    0x0B: "FAT32",
    0x0C: "FAT32",
    0x27: "Windows recovery",
    0x82: "Linux swap",
    0x83: "Linux",
    0x8E: "Linux LVM",
    0xA5: "FreeBSD",
    _ESP: "EFI system",
    0xFD: "Linux RAID",
}


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A partition table as it was read. `efi` are the numbers of the partitions for EFI loaders. `code`: the first
    sector has code; `starts_bios`: and the table has what such code needs."""

    table: Table
    sector_size: int
    partitions: tuple[Partition, ...]
    efi: frozenset[int]
    starts_bios: bool
    problems: tuple[str, ...]


def find_table(read: ReadAt, size: int) -> FoundTable:
    """The table of a disk of `size` bytes."""
    first = read(0, SECTOR)
    has_code = first[510:512] == SIGNATURE and any(first[:_CODE])
    rows = list(_rows(first))
    if any(kind == _PROTECTIVE for kind, *_ in rows) or not rows:
        gpt = find_gpt(read, size)
        if gpt is not None:
            return _of_gpt(gpt, rows, size, has_code)
    if rows:
        return _of_mbr(read, rows, size, has_code)
    return FoundTable(Table.NONE, 0, (), frozenset(), has_code, ())


def _of_gpt(gpt: Gpt, rows: list[tuple[int, int, int, bool]], size: int, has_code: bool) -> FoundTable:
    is_hybrid = any(kind != _PROTECTIVE for kind, *_ in rows)
    starts_bios = has_code and (gpt.starts_bios or is_hybrid)
    problems = (*gpt.problems, *_misplaced(gpt.partitions, size))
    table = Table.HYBRID if is_hybrid else Table.GPT
    return FoundTable(table, gpt.sector_size, gpt.partitions, gpt.efi, starts_bios, problems)


def _of_mbr(read: ReadAt, rows: list[tuple[int, int, int, bool]], size: int, has_code: bool) -> FoundTable:
    partitions, problems, efi = [], [], set()
    logical = 5
    for number, (kind, start, length, active) in enumerate(rows, 1):
        partitions.append(_partition(number, kind, start, length, active=active))
        if kind == _ESP:
            efi.add(number)
        if kind in _EXTENDED:
            found, complete = _logical(read, start, logical)
            partitions += found
            logical += len(found)
            if not complete:
                problems.append("its chain of logical partitions has no proper end")
    if any(kind == _PROTECTIVE for kind, *_ in rows):
        problems.append("its MBR says that there is a GPT, and there is none that can be read")
    outer = [one for one in partitions if one.type != "extended"]
    problems += _misplaced(tuple(outer), size)
    return FoundTable(Table.MBR, SECTOR, tuple(partitions), frozenset(efi), has_code, tuple(problems))


def _rows(sector: bytes) -> Iterator[tuple[int, int, int, bool]]:
    """(type, first sector, sectors, active) of the used entries of an MBR; nothing if it is not one."""
    if len(sector) < SECTOR or sector[510:512] != SIGNATURE:
        return
    entries = [struct.unpack_from("<B3xB3xII", sector, _ENTRIES_AT + _ENTRY * number) for number in range(4)]
    if any(status & 0x7F for status, *_ in entries):  # the boot sector of a file system
        return
    for status, kind, start, length in entries:
        if kind and start and length:
            yield kind, start, length, status == 0x80


def _logical(read: ReadAt, outer: int, first_number: int) -> tuple[list[Partition], bool]:
    """The logical partitions of the extended one at sector `outer`, and whether their chain ends as it should."""
    found: list[Partition] = []
    seen: set[int] = set()
    at = outer
    while at not in seen and len(seen) < _MOST_LOGICAL:
        seen.add(at)
        following = 0
        rows = list(_rows(read(at * SECTOR, SECTOR)))
        for kind, start, length, active in rows[:2]:
            if kind in _EXTENDED:
                following = outer + start
            else:
                found.append(_partition(first_number + len(found), kind, at + start, length, active=active))
        if not following:
            return found, bool(rows) or len(seen) == 1
        at = following
    return found, False


def _partition(number: int, kind: int, start: int, length: int, *, active: bool) -> Partition:
    name = "extended" if kind in _EXTENDED else _TYPES.get(kind, f"type {kind:02x}")
    return Partition(number, start * SECTOR, length * SECTOR, name, active=active)


def _misplaced(partitions: tuple[Partition, ...], size: int) -> list[str]:
    """Sentences about partitions that are not within the disk, or overlap."""
    problems = []
    end, before = 0, 0
    for one in sorted(partitions, key=lambda partition: (partition.start, partition.number)):
        if one.start + one.size > size:
            problems.append(f"partition {one.number} ends beyond the end of the disk")
        if one.start < end:
            problems.append(f"partitions {before} and {one.number} overlap")
        if one.start + one.size > end:
            end, before = one.start + one.size, one.number
    return problems


def with_content(partition: Partition, content: str) -> Partition:
    """The partition with what its first blocks look like."""
    return replace(partition, content=content)
