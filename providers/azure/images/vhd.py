"""A disk image as a fixed VHD of whole MiB, the only format that Azure accepts: its ranges of data, and its footer.

Source: Virtual Hard Disk Image Format Specification 1.0; whole MiB: learn.microsoft.com, Prepare a Windows VHD or VHDX
to upload to Azure.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from reconciler.providers.azure.images.conversion import NEEDS_CONVERSION, converted
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.extents import Extent, changed, opened, pieces
from reconciler.providers.image_files.formats.disk_format import SECTOR
from reconciler.providers.image_files.formats.vhd import vhd_checksum
from reconciler.providers.image_files.source_disks import SourceDisk
from reconciler.providers.image_files.tree_digest import Digester

MIB = 1 << 20
BLOCK = 4 * MIB
"""The largest range of a page blob that one request can write."""
_FIXED = 2
_NO_HEADER = 0xFFFFFFFFFFFFFFFF
_MOST_CYLINDERS = 65535


@dataclass(frozen=True, slots=True)
class Block:
    """A range of a disk in whole sectors: its position, length and bytes; None for a hole."""

    position: int
    length: int
    content: bytes | None


class VirtualDisk:
    """The disk that a virtual machine will see, with its size rounded up to whole MiB."""

    def __init__(
        self, fd: int, extent: Extent, virtual_size: int, digest: ContentDigest | None = None, *, plain: bool = False
    ) -> None:
        """`extent` of `fd` contains the disk's sectors, and perhaps more after them. `digest` is that of the source if
        it is known; otherwise the extent is the source, and `blocks` computes it, if `plain` with the sha256 of all its
        bytes."""
        self.size = whole_mib(virtual_size)
        self._fd = fd
        self._extent = extent
        self._virtual_size = virtual_size
        self._digest = digest
        self._digester = Digester(plain=plain)

    def blocks(self) -> Iterator[Block]:
        """The whole disk once, in order. Raises: SourceError when the file changes, OSError."""
        end = 0
        for start, length, is_data in self._ranges():
            content = self._read(start, length) if is_data else None
            self._add(content, length)
            position = start - self._extent.offset
            visible = min(length, self._virtual_size - position)
            if visible > 0:
                end = position + _whole(visible, SECTOR)
                yield Block(position, end - position, content and content[:visible].ljust(end - position, b"\0"))
        if end < self.size:
            yield Block(end, self.size - end, None)

    def _ranges(self) -> Iterator[tuple[int, int, bool]]:
        """(start, length, whether it is data) of the extent, in order; holes are cut for the sake of progress."""
        for start, length, is_data in pieces(self._fd, self._extent, BLOCK):
            for begin in range(start, start + length, BLOCK):
                yield begin, min(BLOCK, start + length - begin), is_data

    def _add(self, content: bytes | None, length: int) -> None:
        if self._digest is None and content is None:
            self._digester.hole(length)
        elif self._digest is None and content is not None:
            self._digester.data(content)

    def _read(self, start: int, length: int) -> bytes:
        content = os.pread(self._fd, length, start)
        if len(content) != length:
            raise changed(self._extent)
        return content

    def digest(self) -> ContentDigest:
        """The digest of the source's content; known when all blocks have been read."""
        if self._digest is None:
            self._digest = self._digester.result()
        return self._digest


@contextmanager
def opened_disk(disk: SourceDisk, *, plain: bool = False) -> Iterator[VirtualDisk]:
    """The disk in an image, for the duration of the block; converted first if its format requires it. `plain`: its
    digest is to have the sha256 of all bytes, too.

    Raises: SourceError when the image cannot be read, or has changed before the block ended, so that what was read is
    useless; ProviderError when it cannot be converted.
    """
    if disk.format.virtual_size == 0:
        raise SourceError(f"{disk.extent.label} is a disk of size zero", "use another disk image")
    with opened(disk.extent) as fd:
        if disk.format.name in NEEDS_CONVERSION:
            with converted(fd, disk, plain=plain) as (raw, digest):
                size = os.fstat(raw).st_size
                yield VirtualDisk(raw, Extent("", 0, size, disk.extent.label), size, digest)
        else:
            yield VirtualDisk(fd, disk.extent, disk.format.virtual_size, plain=plain)


def whole_mib(size: int) -> int:
    """`size` in bytes, rounded up."""
    return _whole(size, MIB)


def _whole(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def footer(size: int, digest: str) -> bytes:
    """The last sector of a fixed VHD whose disk has `size` bytes; the same for the same content.

    The creator is given as Windows, as by other tools that make images for Azure: some readers, QEMU among them, take
    the size from the footer only for creators they know, and from the geometry, which is too small, for all others.
    """
    cylinders, heads, sectors = _geometry(size)
    identity = UUID(hex=digest.rpartition(":")[2][:32], version=5).bytes
    fields = struct.pack(
        ">8sIIQI4sI4sQQHBBI",
        b"conectix",
        2,  # a bit that is always set
        0x10000,
        _NO_HEADER,
        0,  # the time: the start of the year 2000
        b"win ",
        0x60001,
        b"Wi2k",
        size,
        size,
        cylinders,
        heads,
        sectors,
        _FIXED,
    )
    unchecked = (fields + bytes(4) + identity).ljust(SECTOR, b"\0")
    return unchecked[:64] + vhd_checksum(unchecked).to_bytes(4, "big") + unchecked[68:]


def _geometry(size: int) -> tuple[int, int, int]:
    """(cylinders, heads, sectors a track). Source: the specification's appendix, CHS Calculation."""
    total = min(size // SECTOR, _MOST_CYLINDERS * 16 * 255)
    if total >= _MOST_CYLINDERS * 16 * 63:
        return total // 255 // 16, 16, 255
    tracks = total // 17
    heads = max(4, -(-tracks // 1024))
    if tracks < heads * 1024 and heads <= 16:
        return tracks // heads, heads, 17
    tracks = total // 31
    if tracks < 16 * 1024:
        return tracks // 16, 16, 31
    return total // 63 // 16, 16, 63
