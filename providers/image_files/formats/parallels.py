"""Disks of Parallels, which are refused: the file alone does not say whether it is the whole disk.

Which of the files in a bundle is a snapshot's delta, and which one it is laid over, is only in the DiskDescriptor.xml
beside them; a block that a delta lacks would be read as zeros. Source: docs/interop/parallels.txt of QEMU.
"""

from __future__ import annotations

import struct
from typing import NoReturn

from reconciler.providers.image_files.formats.disk_format import SECTOR, DiskFormat, UnusableImage
from reconciler.providers.image_files.formats.reading import ImageReader

_IN_USE = 0x746F6E59


def refuse_parallels(image: ImageReader, head: bytes) -> NoReturn:
    """Raises: SourceError, always; its facts are what the header declares."""
    image.kind = "Parallels"
    if len(head) < 64:
        raise image.damaged("its header is incomplete")
    sectors, in_use = struct.unpack_from("<QI", head, 36)
    if head.startswith(b"WithoutFreeSpace"):
        sectors &= 0xFFFFFFFF
    raise UnusableImage(
        f"{image.label} is a Parallels disk, which cannot be used directly: whether it is a whole disk is only in the "
        "DiskDescriptor.xml of its bundle",
        "if it has no snapshots, convert it: qemu-img convert -f parallels -O raw IMAGE IMAGE.raw",
        DiskFormat("parallels", sectors * SECTOR, dirty=in_use == _IN_USE),
    )
