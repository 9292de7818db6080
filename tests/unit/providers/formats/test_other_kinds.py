"""What is told apart by name, is never published as a raw disk, and says what to do."""

from __future__ import annotations

import pytest

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.formats.recognising import recognise

SIZE = 1 << 20


def recognised(content: bytes) -> DiskFormat:
    return recognise(lambda offset, length: content[offset : offset + length], len(content), "image")


@pytest.mark.parametrize(
    ("offset", "magic", "name"),
    [
        (0, b"WithoutFreeSpace\2\0\0\0", "Parallels"),
        (0, b"WithouFreSpacExt\2\0\0\0", "Parallels"),
        (0, b"\xbe\xba\xfe\xca\0\0\0\0", "seSparse"),
        (0, b"COWD", "copy-on-write VMDK"),
        (-512, b"koly\0\0\0\4", "UDIF"),
        (0, b"encrcdsa", "encrypted disk image of macOS"),
        (0, b"Bochs Virtual HD Image\0", "Bochs"),
        (0, b"#!/bin/sh\n#V2.0 Format\n", "cloop"),
        (0, b"VMA\0", "Proxmox"),
        (0, b"EVF\x09\x0d\x0a\xff\0", "EWF"),
        (0, b"MSWIM\0\0\0", "WIM"),
        (0, b"\x3a\xff\x26\xed", "Android sparse"),
        (0, b"shdw", "ASIF"),
        (0, b"\x04\x22\x4d\x18", "lz4"),
        (0, b"\x89LZO\0\r\n\x1a\n", "lzop"),
        (0, b"LZIP", "lzip"),
        (0, b"\x5d\0\0\x80", "lzma"),
        (0, b"MSCF\0\0\0\0", "cabinet"),
        (0, b"MZ\x90\0", "Windows or EFI program"),
        (0, b"MZ\xea".ljust(0x3C, b"\0") + b"\x40\0\0\0PE\0\0", "Windows or EFI program"),
        (0, b"\xcf\xfa\xed\xfe", "Mach-O"),
        (0, b"\xca\xfe\xba\xbe", "Java class"),
        (0, b"\xed\xab\xee\xdb", "RPM"),
        (0, b"!<arch>\n", "Debian package"),
        (0, b"\xd4\xc3\xb2\xa1", "network capture"),
        (0, b"PAR1", "Parquet"),
        (0, b"070701", "cpio"),
        (0, b"070707", "cpio"),
        (0, b"hsqs", "squashfs"),
        (0, b"LUKS\xba\xbe", "LUKS"),
        (0, b"QED\0", "QED"),
        (0, b"QFI\xfb\0\0\0\1", "qcow image of version 1"),
        (0, b"PaRtImAgE-VoLuMe", "Partimage"),
        (32769, b"CD001", "ISO 9660"),
        (32769, b"NSR02", "UDF"),
        (32769, b"NSR03", "UDF"),
        (32769, b"BEA01", "UDF"),
        (0, b"\0" + b"\xff" * 10 + b"\0", "raw sectors of a CD"),
        (0, b'# a comment\n\n#another\nversion=1\nRW 2 FLAT "/etc/shadow" 0\n', "VMDK text descriptor"),
        (0, b"version=3\n", "VMDK text descriptor"),
    ],
)
def test_another_kind_of_file_is_refused_by_name(offset: int, magic: bytes, name: str) -> None:
    content = bytearray(b"\1" + bytes(SIZE - 1))
    content[offset % SIZE : offset % SIZE + len(magic)] = magic
    with pytest.raises(SourceError, match=name) as caught:
        recognised(bytes(content))
    assert caught.value.remedy


@pytest.mark.parametrize("magic", [b"QFI\xfb\0\0\0\3", b"vhdxfile", b"KDMV", b"conectix"])
def test_a_file_that_is_a_disk_image_and_an_optical_disc_at_once_is_refused(magic: bytes) -> None:
    content = bytearray(magic.ljust(SIZE, b"\0"))
    content[32769:32774] = b"CD001"
    with pytest.raises(SourceError, match="optical disc"):
        recognised(bytes(content))


def test_an_optical_disc_with_a_boot_sector_is_refused() -> None:
    content = bytearray(SIZE)
    content[510:512], content[32769:32774] = b"\x55\xaa", b"CD001"
    with pytest.raises(SourceError, match="optical disc"):
        recognised(bytes(content))


@pytest.mark.parametrize(
    ("offset", "content"),
    [
        (510, b"\x55\xaa"),
        (512, b"EFI PART"),
        (1080, b"\x53\xef"),
        (0, b"XFSB"),
        (0, b"\xeb\x3c\x90MSDOS5.0"),
        (0, b"\xfa\x33\xc0"),
    ],
)
def test_what_disks_begin_with_is_a_raw_disk(offset: int, content: bytes) -> None:
    disk = bytearray(SIZE)
    disk[offset : offset + len(content)] = content
    assert recognised(bytes(disk)) == DiskFormat("raw", SIZE)
