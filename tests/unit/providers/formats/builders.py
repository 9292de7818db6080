"""Disk images written by hand, byte by byte, for what no tool would make."""

from __future__ import annotations

import struct

SECTOR = 512
NO_DIRECTORY = (1 << 64) - 1
END_OF_DIRECTORY = struct.pack("<QII", 1, 0, 3)


def descriptor(sectors: int, *, kind: str = "monolithicSparse", extent: str = "", more: str = "") -> bytes:
    """A VMDK's text, with one extent of `sectors` sectors."""
    line = extent or f'RW {sectors} SPARSE "disk.vmdk"'
    return (
        f'# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n{more}createType="{kind}"\n'
        f'\n# Extent description\n{line}\n\n# The Disk Data Base\n#DDB\n\nddb.adapterType = "ide"\n'
    ).encode()


def vmdk_header(
    capacity: int, directory: int, *, version: int = 1, flags: int = 1, place: int = 1, size: int = 20
) -> bytes:
    """One sector. `place` and `size` are where the descriptor is, `directory` where the grain directory, in sectors."""
    numbers = struct.pack("<IIQQQQIQQQ", version, flags, capacity, 128, place, size, 512, 0, directory, 24)
    tail = struct.pack("<?4sH", False, b"\n \r\n", int(bool(flags & 1 << 16)))
    return (b"KDMV" + numbers + tail).ljust(SECTOR, b"\0")


def vmdk(text: bytes, capacity: int = 2048, **header: int) -> bytes:
    """A VMDK without any grain: header, descriptor, directory of zeros."""
    return vmdk_header(capacity, 21, **header) + text.ljust(20 * SECTOR, b"\0") + bytes(4 * SECTOR)


def vmdk_with_footer(text: bytes, head: bytes, foot: bytes) -> bytes:
    """A VMDK whose footer may differ from its header."""
    marker = struct.pack("<QII", 1, 0, 3).ljust(SECTOR, b"\0")
    return head + text.ljust(20 * SECTOR, b"\0") + bytes(4 * SECTOR) + marker + foot + bytes(SECTOR)


def qcow2(*, features: int = 0, size: int = 1 << 20, encryption: int = 0, backing: int = 0) -> bytes:
    """A qcow2 image of version 3 without any data: header, L1 table, table and block of reference counts."""
    cluster = 1 << 16
    head = b"QFI\xfb" + struct.pack(
        ">IQIIQIIQQIIQ", 3, backing, 0, 16, size, encryption, 1, 3 * cluster, cluster, 1, 0, 0
    )
    head += struct.pack(">QQQII", features, 0, 0, 4, 104)
    counts = struct.pack(">Q", 2 * cluster).ljust(cluster, b"\0") + (struct.pack(">H", 1) * 4).ljust(cluster, b"\0")
    return head.ljust(cluster, b"\0") + counts + bytes(cluster)
