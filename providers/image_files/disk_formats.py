"""Recognises disk images by their own headers: format, virtual size, and whether a file can be one at all.

Only headers, footers and tables are read, a few kilobytes for most images. No parser from PyPI is suitable:
dissect.hypervisor is AGPL, and the inspector in oslo.utils depends on eight packages and mistakes a fixed VHD, which
only its last sector identifies, for a raw disk.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from reconciler.providers.errors import SourceError

SECTOR = 512
ReadAt = Callable[[int, int], bytes]
"""Reads (offset, length); less at the end of the image."""

EXTENSIONS = {
    "raw": "raw",
    "vhd-fixed": "vhd",
    "vhd-dynamic": "vhd",
    "vhdx": "vhdx",
    "qcow2": "qcow2",
    "vmdk": "vmdk",
}
"""Format name -> the usual file extension."""

_NOT_DISKS = (
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "compressed with gzip"),
    (0, b"\xfd7zXZ\x00", "compressed with xz"),
    (0, b"BZh", "compressed with bzip2"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"\x7fELF", "an ELF program"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the image itself (run: git lfs pull)"),
    (257, b"ustar", "a tar archive (the name of an OVA must end in .ova)"),
)
_CONVERTIBLE = (
    (0, b"QED\x00", "a QED image"),
    (0x40, b"\x7f\x10\xda\xbe", "a VirtualBox VDI image"),
    (0, b"# Disk DescriptorFile", "a VMDK text descriptor, whose data is in other files"),
    (0, b"COWD", "an ESX copy-on-write VMDK"),
    (0, b"QFI\xfb\x00\x00\x00\x01", "a qcow image of version 1"),
)
_CONVERT = "convert it first, for example: qemu-img convert -O vpc -o subformat=fixed,force_size IMAGE IMAGE.vhd"


@dataclass(frozen=True, slots=True)
class DiskFormat:
    """A recognised format (a key of EXTENSIONS) and the size in bytes that a guest will see."""

    name: str
    virtual_size: int


def recognise(read: ReadAt, size: int, label: str) -> DiskFormat:
    """The format of the image of `size` bytes that `read` reads; `label` is its name in messages.

    Raises: SourceError if it cannot be a disk image, is cut short, depends on another file, or is of a kind that must
    be converted first.
    """
    if size == 0:
        raise SourceError(f"{label} is empty", "give a disk image")
    head = read(0, 4096)
    _refuse_other_kinds(head, label)
    if head.startswith(b"QFI\xfb"):
        return _qcow2(read, head, size, label)
    if head.startswith(b"vhdxfile"):
        return _vhdx(read, size, label)
    if head.startswith(b"KDMV"):
        return _vmdk(read, head, size, label)
    if head.startswith(b"conectix"):
        return _dynamic_vhd(read, head, size, label)
    footer = read(size - SECTOR, SECTOR) if size > SECTOR else b""
    if footer.startswith(b"conectix"):
        return _fixed_vhd(footer, size, label)
    return _raw(read, head, size, label)


def _refuse_other_kinds(head: bytes, label: str) -> None:
    for offset, magic, what in _CONVERTIBLE:
        if head.startswith(magic, offset):
            raise SourceError(f"{label} is {what}, which cannot be used directly", _CONVERT)
    for offset, magic, what in _NOT_DISKS:
        if head.startswith(magic, offset):
            raise SourceError(f"{label} is not a disk image: it is {what}", "give the disk image itself")


def _raw(read: ReadAt, head: bytes, size: int, label: str) -> DiskFormat:
    if _is_text(head):
        raise SourceError(f"{label} is not a disk image: it is text", "give the disk image itself")
    if size % SECTOR:
        raise SourceError(
            f"{label} is not a disk image: {size} bytes are not a multiple of {SECTOR}, and it has no known header",
            "the file may be cut short: fetch or build it again",
        )
    if head[510:512] != b"\x55\xaa" and read(32769, 5) == b"CD001":
        raise SourceError(
            f"{label} is an optical disc image (ISO 9660), not a disk", "install it on a disk image first"
        )
    return DiskFormat("raw", size)


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode()
    return all(character.isprintable() or character in "\r\n\t\f" for character in text)


def vhd_checksum(block: bytes, position: int = 64) -> int:
    """The ones' complement of the sum of a footer's or header's bytes, with the checksum at `position` as zero.

    Source: Virtual Hard Disk Image Format Specification 1.0.
    """
    return ~(sum(block) - sum(block[position : position + 4])) & 0xFFFFFFFF


def _check_vhd(block: bytes, position: int, label: str) -> None:
    stored = int.from_bytes(block[position : position + 4], "big")
    if len(block) <= position or stored != vhd_checksum(block, position):
        raise SourceError(f"{label} is a damaged VHD: a checksum in it is wrong", "fetch or build the image again")


def _fixed_vhd(footer: bytes, size: int, label: str) -> DiskFormat:
    _check_vhd(footer, 64, label)
    virtual_size, kind = int.from_bytes(footer[48:56], "big"), int.from_bytes(footer[60:64], "big")
    if kind != 2:
        raise _cut(label, "VHD", "it ends like a dynamic VHD but does not start like one")
    if virtual_size != size - SECTOR:
        raise _cut(label, "VHD", f"its footer declares {virtual_size} bytes, but it has {size - SECTOR}")
    return DiskFormat("vhd-fixed", virtual_size)


def _dynamic_vhd(read: ReadAt, head: bytes, size: int, label: str) -> DiskFormat:
    footer = head[:SECTOR]
    _check_vhd(footer, 64, label)
    kind = int.from_bytes(footer[60:64], "big")
    if kind == 4:
        raise _dependent(label, "a differencing VHD")
    if kind != 3:
        raise SourceError(f"{label} is a VHD of the unknown type {kind}", _CONVERT)
    if read(size - SECTOR, SECTOR) != footer:
        raise _cut(label, "VHD", "the footer at its end is missing")
    header = read(int.from_bytes(footer[16:24], "big"), 1024)
    if not header.startswith(b"cxsparse"):
        raise _cut(label, "VHD", "its dynamic header is missing")
    _check_vhd(header, 36, label)
    table, entries = int.from_bytes(header[16:24], "big"), int.from_bytes(header[28:32], "big")
    if table + 4 * entries > size:
        raise _cut(label, "VHD", "its block table is beyond the end")
    return DiskFormat("vhd-dynamic", int.from_bytes(footer[48:56], "big"))


_BAT = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
_METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
_FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
_VIRTUAL_DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le


def _vhdx(read: ReadAt, size: int, label: str) -> DiskFormat:
    """Source: [MS-VHDX] 2.2 to 2.6: region table at 192 KiB (copy at 256 KiB), metadata table in its region."""
    regions = _vhdx_table(read(192 << 10, 64 << 10), b"regi", 8, 16, "<16sQII") or _vhdx_table(
        read(256 << 10, 64 << 10), b"regi", 8, 16, "<16sQII"
    )
    if _METADATA not in regions or _BAT not in regions:
        raise _cut(label, "VHDX", "its region table cannot be read")
    if any(offset + length > size for offset, length in regions.values()):
        raise _cut(label, "VHDX", "a region is beyond the end")
    start, _ = regions[_METADATA]
    items = _vhdx_table(read(start, 64 << 10), b"metadata", 10, 32, "<16sIIQ", "<H")
    if _VIRTUAL_DISK_SIZE not in items or _FILE_PARAMETERS not in items:
        raise _cut(label, "VHDX", "its metadata cannot be read")
    block_size, flags = struct.unpack("<II", read(start + items[_FILE_PARAMETERS][0], 8))
    if flags & 2:
        raise _dependent(label, "a differencing VHDX")
    _check_vhdx_blocks(read, regions[_BAT], size - block_size, label)
    return DiskFormat("vhdx", struct.unpack("<Q", read(start + items[_VIRTUAL_DISK_SIZE][0], 8))[0])


def _vhdx_table(
    table: bytes, signature: bytes, count_at: int, first: int, entry: str, count_type: str = "<I"
) -> dict[bytes, tuple[int, int]]:
    """Identifier -> (offset, length); empty if it is not such a table."""
    if not table.startswith(signature) or len(table) < 1 << 16:
        return {}
    (count,) = struct.unpack_from(count_type, table, count_at)
    step = struct.calcsize(entry)
    fitting = min(count, (len(table) - first) // step)
    rows = (struct.unpack_from(entry, table, first + step * number) for number in range(fitting))
    return {row[0]: (row[1], row[2]) for row in rows}


def _check_vhdx_blocks(read: ReadAt, table: tuple[int, int], last_start: int, label: str) -> None:
    """Raises: SourceError if a block that is fully or partially present begins after `last_start`."""
    entries = _numbers(read(*table), "Q", "little")
    if any(entry >> 20 << 20 > last_start for entry in entries if entry & 7 in (6, 7)):
        raise _cut(label, "VHDX", "a block is beyond the end")


def _qcow2(read: ReadAt, head: bytes, size: int, label: str) -> DiskFormat:
    """Source: docs/interop/qcow2.rst of QEMU."""
    if len(head) < 104:
        raise _cut(label, "qcow2", "its header is incomplete")
    version, backing, _, cluster_bits, virtual_size = struct.unpack_from(">IQIIQ", head, 4)
    if version not in (2, 3) or not 9 <= cluster_bits <= 21:
        raise SourceError(f"{label} is a qcow2 image of an unknown kind (version {version})", _CONVERT)
    features = struct.unpack_from(">Q", head, 72)[0] if version == 3 else 0
    if backing:
        raise _dependent(label, "a qcow2 overlay with a backing file")
    if features & 4:
        raise _dependent(label, "a qcow2 image with an external data file")
    if features & 2:
        raise SourceError(f"{label} is marked as damaged", "repair it with: qemu-img check -r all IMAGE")
    l1_entries, l1_offset, counts_offset, counts_clusters = struct.unpack_from(">IQQI", head, 36)
    if l1_offset + 8 * l1_entries > size or counts_offset + (counts_clusters << cluster_bits) > size:
        raise _cut(label, "qcow2", "a table is beyond the end")
    if not features & 1:  # a dirty image's reference counts are out of date
        order = struct.unpack_from(">I", head, 96)[0] if version == 3 else 4
        counts = (counts_offset, counts_clusters << cluster_bits)
        if _qcow2_end(read, counts, cluster_bits, order) >= size:
            raise _cut(label, "qcow2", "the last cluster in use is beyond the end")
    return DiskFormat("qcow2", virtual_size)


def _qcow2_end(read: ReadAt, table: tuple[int, int], cluster_bits: int, order: int) -> int:
    """The offset of the last cluster in use, the last one with a reference count other than zero."""
    blocks = _numbers(read(*table), "Q", "big")
    used = [number for number, offset in enumerate(blocks) if offset]
    if not used:
        return 0
    offset = blocks[used[-1]]
    block = read(offset, 1 << cluster_bits).rstrip(b"\0")
    if not block:
        return offset
    per_block = (1 << cluster_bits) * 8 >> order
    within = (len(block) * 8 - 1) >> order
    return (used[-1] * per_block + within) << cluster_bits


_NO_DIRECTORY = 0xFFFFFFFFFFFFFFFF


def _vmdk(read: ReadAt, head: bytes, size: int, label: str) -> DiskFormat:
    """Source: VMware Virtual Disk Format 5.0, hosted sparse extents."""
    if len(head) < SECTOR:
        raise _cut(label, "VMDK", "its header is incomplete")
    description = read(*(SECTOR * number for number in struct.unpack_from("<QQ", head, 28)))
    if b"parentCID=" in description and b"parentCID=ffffffff" not in description:
        raise _dependent(label, "a VMDK delta")
    if description.count(b" SPARSE ") > 1:
        raise SourceError(f"{label} is one part of a VMDK that is split into several files", _CONVERT)
    if struct.unpack_from("<Q", head, 56)[0] == _NO_DIRECTORY:
        head = read(size - 2 * SECTOR, SECTOR)
        if not head.startswith(b"KDMV"):
            raise _cut(label, "VMDK", "the footer at its end is missing")
    capacity, grain, _, _, per_table, _, directory = struct.unpack_from("<QQQQIQQ", head, 12)
    if not grain or not per_table:
        raise _cut(label, "VMDK", "its header cannot be read")
    tables = -(-capacity // (grain * per_table))
    if _last_grain(read, directory, tables, per_table) * SECTOR >= size:
        raise _cut(label, "VMDK", "a grain is beyond the end")
    return DiskFormat("vmdk", capacity * SECTOR)


def _last_grain(read: ReadAt, directory: int, tables: int, per_table: int) -> int:
    """The highest sector that the grain directory and its tables refer to; for an incomplete directory one beyond the
    end of any file."""
    content = read(directory * SECTOR, 4 * tables)
    if len(content) < 4 * tables:
        return 1 << 62
    last = 0
    for table in _numbers(content, "I", "little"):
        if table:
            grains = _numbers(read(table * SECTOR, 4 * per_table), "I", "little")
            last = max(last, table, max(grains, default=0))
    return last


def _numbers(content: bytes, code: Literal["I", "Q"], order: Literal["big", "little"]) -> array[int]:
    numbers = array(code)
    numbers.frombytes(content[: len(content) // numbers.itemsize * numbers.itemsize])
    if order != sys.byteorder:
        numbers.byteswap()
    return numbers


def _cut(label: str, kind: str, why: str) -> SourceError:
    return SourceError(f"{label} is a {kind} image, cut short or damaged: {why}", "fetch or build the image again")


def _dependent(label: str, what: str) -> SourceError:
    return SourceError(f"{label} is {what}: it is not complete without another file", f"merge it; {_CONVERT}")
