"""The bitmaps of changed blocks in a qcow2 image, which backup programs keep. They are no part of the disk, but QEMU
loads them with it, and opens no image in which they are damaged.

Source: docs/interop/qcow2.rst, "Bitmaps", and block/qcow2-bitmap.c of QEMU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.providers.image_files.formats.reading import ImageReader

if TYPE_CHECKING:
    from reconciler.providers.image_files.formats.qcow2 import Header

_MOST, _LARGEST_DIRECTORY = 65535, 64 << 20
_LONGEST_NAME, _LARGEST_BITMAP = 1023, 512 << 20
_ENTRY = 24
_IN_USE, _KNOWN_FLAGS = 1, 3
_DIRTY_TRACKING = 1
_ALL_ONES = 1
_RESERVED = 0xFF000000000001FE


def check_bitmaps(image: ImageReader, header: Header, extension: int) -> None:
    """Raises: SourceError if the directory that the header's `extension` names, or a bitmap in it, is damaged."""
    count, reserved, size, offset = image.fields(extension, ">IIQQ", "its list of bitmaps")
    if reserved or not 0 < count <= _MOST or not 0 < size <= _LARGEST_DIRECTORY or offset % header.cluster:
        raise _unreadable(image)
    if not offset or offset + size > image.size:
        raise image.damaged("its list of bitmaps is beyond the end")
    position, end = offset, offset + size
    for _ in range(count):
        position = _check_entry(image, header, position, end)
    if position != end:
        raise _unreadable(image)


def _check_entry(image: ImageReader, header: Header, position: int, end: int) -> int:
    """Where the next entry of the directory is."""
    table, entries, flags, kind, granularity, name_length, extra = image.fields(position, ">QIIBBHI", "a bitmap")
    following: int = position + -(-(_ENTRY + extra + name_length) // 8) * 8
    if following > end or extra or not 0 < name_length <= _LONGEST_NAME:
        raise _unreadable(image)
    if kind != _DIRTY_TRACKING or not 9 <= granularity <= 31 or flags & ~_KNOWN_FLAGS:
        raise _unreadable(image)
    bits = 8 * entries * header.cluster << granularity
    if not table or table % header.cluster or not entries or entries * header.cluster > _LARGEST_BITMAP:
        raise _unreadable(image)
    if not flags & _IN_USE:
        if bits < header.size:
            raise _unreadable(image)
        _check_table(image, header, table, entries)
    return following


def _check_table(image: ImageReader, header: Header, offset: int, count: int) -> None:
    for _, entries in image.numbers(offset, count, "Q", "big", "the table of a bitmap"):
        for entry in set(entries):
            if entry & _RESERVED or (entry != _ALL_ONES and entry % header.cluster):
                raise _unreadable(image)


def _unreadable(image: ImageReader) -> Exception:
    return image.damaged("its list of bitmaps cannot be read")
