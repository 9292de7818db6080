"""Numbers in headers that are as large as can be, or contradict each other: an error with the file's name, always."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from unit.providers.formats.builders import descriptor, qcow2, vmdk

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import DiskFormat, UnusableImage
from reconciler.providers.image_files.formats.recognising import recognise
from reconciler.providers.image_files.formats.vhd import vhd_checksum

MIB = 1 << 20
LARGE = (1 << 31, (1 << 32) - 1, 1 << 51, 1 << 54, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 512, (1 << 64) - 1)


def recognised(content: bytes, size: int = 0) -> DiskFormat:
    """`size` is that of a file with a hole at its end."""

    def read(offset: int, length: int) -> bytes:
        assert 0 <= offset < 1 << 63
        assert 0 <= length <= 2 * MIB
        return content[offset : offset + length].ljust(min(length, max(0, size - offset)), b"\0")

    return recognise(read, size or len(content), "'image.x'")


def changed(content: bytes, offset: int, layout: str, value: int) -> bytes:
    new = struct.pack(layout, value % (1 << 8 * struct.calcsize(layout)))
    return content[:offset] + new + content[offset + len(new) :]


def test_a_qcow2_written_by_hand_is_accepted() -> None:
    assert recognised(qcow2()) == DiskFormat("qcow2", MIB)


def complaint(content: bytes, size: int) -> str:
    """What is said about an image; nothing if it is accepted."""
    try:
        recognised(content, size)
    except SourceError as error:
        return str(error)
    return ""


IN_QCOW2 = [(20, ">I"), (24, ">Q"), (36, ">I"), (40, ">Q"), (48, ">Q"), (56, ">I"), (60, ">I"), (96, ">I"), (100, ">I"),
            (65536, ">Q"), (196608, ">Q")]  # fmt: skip
IN_VMDK = [(at, "<Q") for at in (12, 20, 28, 36, 48, 56, 64)] + [(44, "<I"), (10752, "<I")]


@pytest.mark.parametrize("value", LARGE)
@pytest.mark.parametrize(("offset", "layout"), IN_QCOW2)
@pytest.mark.parametrize("size", [0, 1 << 45])
def test_a_qcow2_header_with_a_large_number(offset: int, layout: str, value: int, size: int) -> None:
    said = complaint(changed(qcow2(), offset, layout, value), size)
    assert not said or said.startswith("'image.x' is a qcow2 image")


@pytest.mark.parametrize("value", LARGE)
@pytest.mark.parametrize(("offset", "layout"), IN_VMDK)
@pytest.mark.parametrize("size", [0, 1 << 45])
def test_a_vmdk_header_with_a_large_number(offset: int, layout: str, value: int, size: int) -> None:
    said = complaint(changed(vmdk(descriptor(2048)), offset, layout, value), size)
    assert not said or said.startswith("'image.x' is ")


@pytest.mark.parametrize("value", LARGE)
def test_a_dynamic_vhd_with_a_large_number(value: int) -> None:
    footer = bytearray(b"conectix".ljust(512, b"\0"))
    struct.pack_into(">II", footer, 8, 2, 0x10000)
    struct.pack_into(">QI", footer, 48, MIB, 0)
    struct.pack_into(">QI", footer, 56, 0, 0)
    struct.pack_into(">QQI", footer, 16, value, 0, 0)
    struct.pack_into(">Q", footer, 48, MIB)
    struct.pack_into(">I", footer, 60, 3)
    struct.pack_into(">I", footer, 64, vhd_checksum(bytes(footer)))
    with pytest.raises(SourceError, match=r"'image\.x' is a VHD image"):
        recognised(bytes(footer) + bytes(4096) + bytes(footer))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: qcow2(features=1 << 5), "features that are unknown"),
        (lambda: qcow2(features=1 << 63), "features that are unknown"),
        (lambda: qcow2(features=4), "external data file"),
        (lambda: qcow2(features=2), "marked as damaged"),
        (lambda: qcow2(features=8), "compression"),
        (lambda: qcow2(encryption=1), "encrypted"),
        (lambda: qcow2(encryption=2), "encrypted"),
        (lambda: qcow2(encryption=3), "encryption"),
        (lambda: qcow2(backing=512), "backing file"),
        (lambda: qcow2(size=0), "a disk of size zero"),
        (lambda: qcow2(size=MIB + 1), "virtual size"),
        (lambda: qcow2(size=1 << 63), "virtual size"),
        (lambda: qcow2(size=1 << 40), "smaller than its disk"),
    ],
)
def test_a_qcow2_that_cannot_be_read_whole_is_refused(make: Callable[[], bytes], why: str) -> None:
    with pytest.raises(SourceError, match=why):
        recognised(make())


def test_what_is_known_of_a_refused_image_comes_with_the_error() -> None:
    with pytest.raises(UnusableImage) as caught:
        recognised(qcow2(encryption=2))
    assert caught.value.facts == DiskFormat("qcow2", MIB, encrypted=True)
    luks = b"LUKS\xba\xbe\0\2".ljust(MIB, b"\0")
    with pytest.raises(UnusableImage, match="encrypted container") as caught:
        recognised(luks)
    assert caught.value.facts == DiskFormat("raw", MIB, encrypted=True)


def test_a_dirty_qcow2_is_accepted_and_says_so() -> None:
    assert recognised(qcow2(features=1)) == DiskFormat("qcow2", MIB, dirty=True)


def test_tables_of_any_size_are_never_read_whole() -> None:
    """A table of reference counts of 12 GiB, in a file of 13 GiB that is one hole."""
    content = changed(changed(qcow2(), 20, ">I", 21), 56, ">I", 6000)
    content = changed(changed(content, 48, ">Q", 2 * MIB), 40, ">Q", 4 * MIB)
    with pytest.raises(SourceError, match="not where, or as large as, it can be"):
        recognised(content, 13 << 30)
