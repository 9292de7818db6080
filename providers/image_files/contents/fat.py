"""Looks up names in a FAT file system: as much as it takes to find the loaders that a UEFI starts by itself.

Source: Microsoft FAT specification of 2005; UEFI Specification 2.10, 3.5.1.1 for the names.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.providers.image_files.formats.reading import ReadAt

_LOADERS = {b"BOOTX64 EFI": "x64", b"BOOTAA64EFI": "Arm64", b"BOOTIA32EFI": "x86"}
_ENTRY = 32
_FOLDER, _VOLUME = 0x10, 0x08
_LARGEST_FOLDER = 64 << 10
_MOST_CLUSTERS = 32


@dataclass(frozen=True, slots=True)
class _Fat:
    """Positions in bytes on the disk. `bits` is the width of an entry of the table; `root_size` is 0 for FAT32, whose
    root folder begins at cluster `root`."""

    bits: int
    table: int
    root: int
    root_size: int
    data: int
    cluster: int


def efi_loaders(read: ReadAt, start: int) -> tuple[str, ...]:
    """The architectures of the loaders in EFI/BOOT of the file system at `start`; none if it is not FAT."""
    fat = _opened(read, start)
    if fat is None:
        return ()
    root = read(fat.root, fat.root_size) if fat.root_size else _folder(read, fat, fat.root)
    boot = _inner(read, fat, _inner(read, fat, root, b"EFI        "), b"BOOT       ")
    names = {entry[:11] for entry in _entries(boot) if not entry[11] & _FOLDER}
    return tuple(architecture for name, architecture in _LOADERS.items() if name in names)


def _opened(read: ReadAt, start: int) -> _Fat | None:
    boot = read(start, 512)
    if len(boot) < 512 or boot[510:512] != b"\x55\xaa":
        return None
    sector, per_cluster, reserved, copies, root_entries, total16, short = struct.unpack_from("<HBHBHHxH", boot, 11)
    total = total16 or int.from_bytes(boot[32:36], "little")
    length = short or int.from_bytes(boot[36:40], "little")
    if sector not in (512, 1024, 2048, 4096) or not per_cluster or per_cluster & (per_cluster - 1):
        return None
    if not reserved or copies not in (1, 2) or not length:
        return None
    root_size = root_entries * _ENTRY
    table = start + reserved * sector
    root = table + copies * length * sector
    data = root + -(-root_size // sector) * sector
    clusters = (total - (data - start) // sector) // per_cluster
    bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
    if bits == 32 or not root_entries:
        first = int.from_bytes(boot[44:48], "little")
        return _Fat(32, table, first, 0, data, per_cluster * sector)
    return _Fat(bits, table, root, min(root_size, _LARGEST_FOLDER), data, per_cluster * sector)


def _inner(read: ReadAt, fat: _Fat, folder: bytes, name: bytes) -> bytes:
    """The content of the folder called `name` in a folder; empty if there is none."""
    for entry in _entries(folder):
        if entry[:11] == name and entry[11] & _FOLDER:
            high, low = struct.unpack_from("<H4xH", entry, 20)
            return _folder(read, fat, (high << 16 if fat.bits == 32 else 0) | low)
    return b""


def _entries(folder: bytes) -> Iterator[bytes]:
    for at in range(0, len(folder) - _ENTRY + 1, _ENTRY):
        entry = folder[at : at + _ENTRY]
        if not entry[0]:
            return
        if entry[0] != 0xE5 and not entry[11] & _VOLUME:
            yield entry


def _folder(read: ReadAt, fat: _Fat, cluster: int) -> bytes:
    """The content of the folder that begins at a cluster, as far as its chain can be followed."""
    content, seen = b"", set[int]()
    while 2 <= cluster < 0x0FFFFFF7 and cluster not in seen and len(seen) < _MOST_CLUSTERS:
        seen.add(cluster)
        room = min(fat.cluster, _LARGEST_FOLDER - len(content))
        if room <= 0:
            break
        content += read(fat.data + (cluster - 2) * fat.cluster, room)
        cluster = _next(read, fat, cluster)
    return content


def _next(read: ReadAt, fat: _Fat, cluster: int) -> int:
    if fat.bits == 12:
        pair = int.from_bytes(read(fat.table + cluster * 3 // 2, 2), "little")
        number = pair >> 4 if cluster & 1 else pair & 0xFFF
        return number if number < 0xFF7 else 0
    width = fat.bits // 8
    number = int.from_bytes(read(fat.table + cluster * width, width), "little") & 0x0FFFFFFF
    return number if fat.bits == 32 or number < 0xFFF7 else 0
