"""What a partition, or a disk without any, looks like by its first blocks.

Source: include/linux/magic.h and libblkid of util-linux, where the signatures of file systems are listed.
"""

from __future__ import annotations

from reconciler.providers.image_files.formats.reading import ReadAt

_HEAD = 5120
_BITLOCKER_TO_GO = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
_SIGNATURES = (
    (0, b"LUKS\xba\xbe", "LUKS"),
    (3, b"-FVE-FS-", "BitLocker"),
    (0, b"XFSB", "XFS"),
    (3, b"NTFS    ", "NTFS"),
    (3, b"ReFS\0\0\0\0", "ReFS"),
    (3, b"EXFAT   ", "exFAT"),
    (0, b"hsqs", "squashfs"),
    (1024, b"\xe2\xe1\xf5\xe0", "EROFS"),
    (1024, b"H+\0\x04", "HFS+"),
    (32, b"NXSB", "APFS"),
    (4086, b"SWAPSPACE2", "swap"),
    (4096, b"\xfc\x4e\x2b\xa9", "Linux RAID"),
    (1080, b"\x53\xef", "ext"),
    (82, b"FAT32   ", "FAT"),
    (54, b"FAT16   ", "FAT"),
    (54, b"FAT12   ", "FAT"),
)
_BTRFS_AT, _BTRFS = 65536 + 64, b"_BHRfS_M"
_EXTENTS, _JOURNAL = 0x40, 0x4


def content_at(read: ReadAt, start: int) -> str:
    """The name of what begins at `start`; empty if it is not known."""
    head = read(start, _HEAD)
    if not any(head):
        return "btrfs" if read(start + _BTRFS_AT, len(_BTRFS)) == _BTRFS else ""
    if head[424:440] == _BITLOCKER_TO_GO:
        return "BitLocker"
    if any(head[at : at + 8] == b"LABELONE" and head[at + 24 : at + 32] == b"LVM2 001" for at in range(0, 2048, 512)):
        return "LVM"
    found = next((name for at, magic, name in _SIGNATURES if head.startswith(magic, at)), "")
    if found == "ext":
        return _ext(head)
    return found or ("btrfs" if read(start + _BTRFS_AT, len(_BTRFS)) == _BTRFS else "")


def _ext(head: bytes) -> str:
    compatible, incompatible = (int.from_bytes(head[at : at + 4], "little") for at in (1024 + 92, 1024 + 96))
    if incompatible & _EXTENTS:
        return "ext4"
    return "ext3" if compatible & _JOURNAL else "ext2"
