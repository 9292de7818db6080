"""What a guest sees on a disk: the same for every copy, however its format lays out the sectors.

A qcow2 volume is read in the order of its sectors, through its own tables; absent clusters are zeros and cost no
transfer. Only what pools contain is read here: qcow2 without backing file, compression or encryption, and raw.
Source: docs/interop/qcow2.rst of QEMU.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Iterator

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.reading import ReadAt
from reconciler.providers.libvirt.content.pieces import Hole, Piece, length_of

_OFFSET = 0x00FFFFFFFFFFFE00
_COMPRESSED = 1 << 62
_READS_AS_ZEROS = 1
_DAMAGED_BITS = 0b111110
"""Features that change what a reader must do: damaged, external data file, another compression, extended tables."""

ReadOn = Callable[[int, int], Iterator[Piece]]
"""Reads (position, length) in pieces; fewer bytes at the end of the file."""
Run = tuple[int | None, int]
"""The position of a run of sectors in the file, None for zeros, and its length."""


def content(read: ReadAt, read_on: ReadOn, disk_format: str, size: int, label: str) -> Iterator[Piece]:
    """The `size` bytes that a guest sees on an image; `read` reads its tables and `read_on` its sectors.

    Sectors after the end of the file are zeros, because QEMU may leave the last ones unwritten; if they are missing for
    another reason, the digest differs. Raises: SourceError if a table is damaged, or of a kind we never create.
    """
    runs = _qcow2_runs(read, size, label) if disk_format == "qcow2" else iter([(0, size)])
    for position, length in runs:
        missing = length
        if position is not None:
            for part in read_on(position, length):
                missing -= length_of(part)
                yield part
        if missing:
            yield Hole(missing)


def _qcow2_runs(read: ReadAt, size: int, label: str) -> Iterator[Run]:
    """The whole disk as runs that are contiguous in the file."""
    head = _exactly(read, 0, 104, label)
    version, backing, _, cluster_bits, virtual_size, encrypted = struct.unpack_from(">IQIIQI", head, 4)
    features = struct.unpack_from(">Q", head, 72)[0] if version == 3 else 0
    if not head.startswith(b"QFI\xfb") or version not in (2, 3) or not 9 <= cluster_bits <= 21:
        raise _damaged(label, "it is not a qcow2 image")
    if backing or encrypted or features & _DAMAGED_BITS:
        raise _damaged(label, "it is a qcow2 image of a kind that is never created here")
    if virtual_size != size:
        raise _damaged(label, f"it has {virtual_size} bytes, not {size}")
    entries, table = struct.unpack_from(">IQ", head, 36)
    yield from _joined(_clusters(read, (table, entries), cluster_bits, size, label))


def _clusters(read: ReadAt, table: tuple[int, int], cluster_bits: int, size: int, label: str) -> Iterator[Run]:
    cluster = 1 << cluster_bits
    per_table = cluster // 8
    left = size
    for entry in _numbers(_exactly(read, table[0], 8 * table[1], label)):
        covered = min(left, per_table * cluster)
        if not covered:
            return
        left -= covered
        if not entry & _OFFSET:
            yield None, covered
            continue
        for number in _numbers(_exactly(read, entry & _OFFSET, cluster, label)):
            length = min(cluster, covered)
            if not length:
                break
            covered -= length
            if number & _COMPRESSED:
                raise _damaged(label, "a cluster in it is compressed")
            absent = number & _READS_AS_ZEROS or not number & _OFFSET
            yield (None if absent else number & _OFFSET), length
    if left:
        raise _damaged(label, "its table is too short")


def _joined(runs: Iterator[Run]) -> Iterator[Run]:
    """The same runs, adjacent ones merged."""
    position: int | None = None
    length = 0
    for start, many in runs:
        follows = start is None if position is None else start == position + length
        if length and not follows:
            yield position, length
            length = 0
        if not length:
            position = start
        length += many
    if length:
        yield position, length


def _exactly(read: ReadAt, position: int, length: int, label: str) -> bytes:
    content = read(position, length)
    if len(content) != length:
        raise _damaged(label, f"it ends before byte {position + length}")
    return content


def _numbers(content: bytes) -> array[int]:
    numbers = array("Q")
    numbers.frombytes(content)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _damaged(label: str, why: str) -> SourceError:
    return SourceError(f"{label} cannot be read: {why}", "plan again: damaged copies are recreated")
