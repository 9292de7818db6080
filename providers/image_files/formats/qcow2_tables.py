"""The tables of a qcow2 image: whether they are all there, and so is the last cluster in use.

Source: docs/interop/qcow2.rst of QEMU; the limits are those of block/qcow2.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.providers.image_files.formats.reading import ImageReader

if TYPE_CHECKING:
    from reconciler.providers.image_files.formats.qcow2 import Header

_LARGEST_L1, _LARGEST_COUNTS = 32 << 20, 8 << 20
_MOST_SNAPSHOTS, _LONGEST_EXTRA = 65536, 1024
_OFFSET = (1 << 56) - (1 << 9)
"""The bits of an L1 entry that are the offset of a table."""


def check_tables(image: ImageReader, header: Header) -> None:
    """Raises: SourceError if a table is missing or too large, or a cluster in use is beyond the end."""
    _check_place(image, header, (header.l1_offset, 8 * header.l1_entries), _LARGEST_L1, "its L1 table")
    counts = (header.counts_offset, header.counts_clusters * header.cluster)
    _check_place(image, header, counts, _LARGEST_COUNTS, "its table of reference counts")
    if not header.counts_clusters:
        raise image.damaged("it has no reference counts")
    if header.l1_entries < _l1_entries(header):
        raise image.damaged("its L1 table is smaller than its disk")
    for _, entries in image.numbers(header.l1_offset, header.l1_entries, "Q", "big", "its L1 table"):
        if max(entry & _OFFSET for entry in set(entries)) + header.cluster > _rounded(image.size, header):
            raise image.damaged("an L2 table is beyond the end")
    _check_snapshots(image, header)
    if not header.is_dirty and _end(image, header) >= image.size:
        raise image.damaged("the last cluster in use is beyond the end")


def _check_place(image: ImageReader, header: Header, place: tuple[int, int], most: int, what: str) -> None:
    offset, length = place
    if offset % header.cluster or length > most:
        raise image.damaged(f"{what} is not where, or as large as, it can be")
    if offset + length > image.size or (length and not offset):
        raise image.damaged(f"{what} is beyond the end")


def _rounded(size: int, header: Header) -> int:
    return -(-size // header.cluster) * header.cluster


def _l1_entries(header: Header) -> int:
    """The number of entries that a disk of this size needs."""
    entry_bits = 4 if header.has_extended_l2 else 3
    covered = header.cluster << (header.cluster_bits - entry_bits)
    return -(-header.size // covered)


def _check_snapshots(image: ImageReader, header: Header) -> None:
    """Raises: SourceError if the table of internal snapshots cannot be read as a whole."""
    if not header.snapshots:
        return
    what = "its table of snapshots"
    _check_place(image, header, (header.snapshots_offset, 40 * header.snapshots), 40 * _MOST_SNAPSHOTS, what)
    position = header.snapshots_offset
    for _ in range(header.snapshots):
        table, entries, id_length, name_length, extra = image.fields(position, ">QIHH20xI", what)
        if extra > _LONGEST_EXTRA or 8 * entries > _LARGEST_L1:
            raise image.damaged(f"{what} cannot be read")
        if table % header.cluster or table + 8 * entries > image.size:
            raise image.damaged("the L1 table of a snapshot is beyond the end")
        position += -(-(40 + extra + id_length + name_length) // 8) * 8
        if position > _rounded(image.size, header):
            raise image.damaged(f"{what} is beyond the end")


def _end(image: ImageReader, header: Header) -> int:
    """The offset of the last cluster in use, the last one with a reference count other than zero."""
    block, number = 0, -1
    entries = header.counts_clusters * header.cluster // 8
    for first, blocks in image.numbers(header.counts_offset, entries, "Q", "big", "its table of reference counts"):
        number, block = max((first + at, offset) for at, offset in enumerate(blocks) if offset)
    if number < 0:
        raise image.damaged("it has no reference counts")
    if block % header.cluster:
        raise image.damaged("its table of reference counts cannot be read")
    counts = image.part(block, min(header.cluster, image.size - block), "a block of reference counts")
    return (number * (header.cluster * 8 >> header.count_order) + _last_used(counts, header)) * header.cluster


def _last_used(counts: bytes, header: Header) -> int:
    """The number of the last cluster of a block with a count; counts below a byte fill it from the lowest bit on."""
    used = counts.rstrip(b"\0")
    if not used:
        return 0
    return (8 * (len(used) - 1) + (used[-1].bit_length() - 1 if header.count_order < 3 else 7)) >> header.count_order
