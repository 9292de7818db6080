"""`guest_reader`: reads what a guest would, from an image that was recognised."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from reconciler.providers.image_files.formats.disk_format import DIRECT, DiskFormat
from reconciler.providers.image_files.formats.reading import ImageReader, ReadAt
from reconciler.providers.image_files.guest_blocks.blocks import Locate

_MODULES = {"qcow2": "qcow2", "vmdk": "vmdk", "vhdx": "vhdx", "vdi": "vdi", "vhd-dynamic": "dynamic_vhd"}
_LONGEST = 512 << 10
"""The most bytes of one answer."""


def guest_reader(read: ReadAt, size: int, disk_format: DiskFormat) -> ReadAt:
    """A function that reads (position, length) of the disk in the image of `size` bytes that `read` reads. Its answer
    is shorter at the end of the disk, empty beyond it or before its start, and never longer than 512 KiB.

    Raises, as does the function: SourceError, zlib.error for a damaged image; Unmapped.
    """
    virtual_size = disk_format.virtual_size
    if disk_format.name in DIRECT:
        return _bounded(read, virtual_size)
    module = import_module(f"reconciler.providers.image_files.guest_blocks.{_MODULES[disk_format.name]}")
    open_blocks: Callable[[ImageReader], Locate] = module.open_blocks
    image = ImageReader(read, size, "the image", disk_format.name)
    return _bounded(_joined(image, open_blocks(image)), virtual_size)


def _bounded(read: ReadAt, virtual_size: int) -> ReadAt:
    def bounded(position: int, length: int) -> bytes:
        length = min(length, virtual_size - position, _LONGEST)
        return read(position, length) if position >= 0 and length > 0 else b""

    return bounded


def _joined(image: ImageReader, locate: Locate) -> ReadAt:
    """Reads across the borders of blocks."""

    def read(position: int, length: int) -> bytes:
        content = bytearray()
        while len(content) < length:
            piece = locate(position + len(content))
            wanted = min(piece.length, length - len(content))
            if piece.content is not None:
                content += piece.content[:wanted].ljust(wanted, b"\0")
            elif piece.offset is not None:
                content += image.part(piece.offset, wanted, "a block")
            else:
                content += bytes(wanted)
        return bytes(content)

    return read
