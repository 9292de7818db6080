"""Images of qemu-img with one thing changed, and their checksums made right again."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import DiskFormat, UnusableImage
from reconciler.providers.image_files.formats.recognising import recognise
from reconciler.providers.image_files.formats.vhd import vhd_checksum
from reconciler.providers.image_files.formats.vhdx import crc32c

pytestmark = pytest.mark.qemu

MIB = 1 << 20
VHDX_HEADERS, REGIONS = ((64 << 10, 4096), (128 << 10, 4096)), (192 << 10, 64 << 10)
SECTOR_SIZE = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f").bytes_le
FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le


def recognised(content: bytes | bytearray) -> DiskFormat:
    return recognise(lambda offset, length: bytes(content[offset : offset + length]), len(content), "image")


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., bytearray]:
    def made(driver: str, options: str = "") -> bytearray:
        raw, image = tmp_path / "raw", tmp_path / "made"
        raw.write_bytes(b"\xa1" * 65536 + bytes(3 * MIB - 65536))
        chosen = ["-o", options] if options else []
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", driver, *chosen, raw, image], check=True)
        return bytearray(image.read_bytes())

    return made


def put(content: bytearray, offset: int, new: bytes) -> None:
    content[offset : offset + len(new)] = new


def sum_vhdx(content: bytearray) -> None:
    for offset, length in (*VHDX_HEADERS, REGIONS):
        put(content, offset + 4, bytes(4))
        put(content, offset + 4, struct.pack("<I", crc32c(bytes(content[offset : offset + length]))))


def item_at(content: bytearray, name: bytes) -> int:
    """Where the value of an item of a VHDX's metadata is."""
    (region,) = struct.unpack_from("<Q", content, content.index(METADATA, REGIONS[0]) + 16)
    (offset,) = struct.unpack_from("<I", content, content.index(name, region) + 16)
    return int(region + offset)


def test_the_checksum_is_crc_32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def test_a_vhdx_with_a_log_to_replay_is_refused_as_one_that_was_not_closed(make: Callable[..., bytearray]) -> None:
    content = make("vhdx")
    for offset, _ in VHDX_HEADERS:
        put(content, offset + 48, b"\1" * 16)
    sum_vhdx(content)
    with pytest.raises(UnusableImage, match="was not closed") as caught:
        recognised(content)
    assert caught.value.facts == DiskFormat("vhdx", 3 * MIB, dirty=True)


def test_a_vhdx_with_large_sectors_is_refused_with_their_size(make: Callable[..., bytearray]) -> None:
    content = make("vhdx")
    put(content, item_at(content, SECTOR_SIZE), struct.pack("<I", 4096))
    with pytest.raises(UnusableImage, match="sectors of 4096 bytes") as caught:
        recognised(content)
    assert caught.value.facts == DiskFormat("vhdx", 3 * MIB, 4096)


def test_a_differencing_vhdx_is_refused(make: Callable[..., bytearray]) -> None:
    content = make("vhdx")
    content[item_at(content, FILE_PARAMETERS) + 4] |= 2
    with pytest.raises(SourceError, match="a differencing VHDX"):
        recognised(content)


@pytest.mark.parametrize("broken", [0, 1])
def test_one_valid_header_of_a_vhdx_is_enough(make: Callable[..., bytearray], broken: int) -> None:
    content = make("vhdx")
    put(content, VHDX_HEADERS[broken][0] + 100, b"x")
    assert recognised(content) == DiskFormat("vhdx", 3 * MIB)


@pytest.mark.parametrize(
    ("offset", "new"),
    [
        (REGIONS[0] + 20, b"x"),
        (REGIONS[0], b"regx"),
        (64 << 10, b"x" * (65 << 10)),
    ],
)
def test_a_vhdx_without_a_valid_table_or_header_is_refused(
    make: Callable[..., bytearray], offset: int, new: bytes
) -> None:
    content = make("vhdx")
    put(content, offset, new)
    with pytest.raises(SourceError, match="cut short or damaged"):
        recognised(content)


@pytest.mark.parametrize(
    ("row", "offset", "length", "why"),
    [
        (0, 0, MIB, "not of whole MiB"),
        (0, MIB + 1, MIB, "not of whole MiB"),
        (0, 1 << 60, MIB, "beyond the end"),
        (0, MIB, MIB, "overlap"),
        (1, (1 << 64) - MIB, MIB, "beyond the end"),
    ],
)
def test_a_region_of_a_vhdx_has_a_place_of_its_own(
    make: Callable[..., bytearray], row: int, offset: int, length: int, why: str
) -> None:
    content = make("vhdx")
    put(content, REGIONS[0] + 16 + 32 * row + 16, struct.pack("<QI", offset, length))
    sum_vhdx(content)
    with pytest.raises(SourceError, match=why):
        recognised(content)


def test_a_region_of_a_vhdx_that_is_unknown_is_refused(make: Callable[..., bytearray]) -> None:
    content = make("vhdx")
    put(content, REGIONS[0] + 8, struct.pack("<I", 3))
    put(content, REGIONS[0] + 16 + 64, b"\7" * 32)
    sum_vhdx(content)
    with pytest.raises(SourceError, match="a region that is unknown"):
        recognised(content)


@pytest.mark.parametrize(
    ("offset", "new", "why"),
    [
        (0x1A8, b"\1", "a differencing VDI"),
        (0x1B8, b"\1", "a differencing VDI"),
        (0x4C, b"\4", "a differencing VDI"),
        (0x44, b"\2", "its version"),
        (0x168, struct.pack("<I", 4096), "of another size"),
        (0x178, struct.pack("<I", 1 << 19), "of another size"),
        (0x17C, struct.pack("<I", 512), "of another size"),
        (0x170, bytes(8), "a disk of size zero"),
        (0x170, struct.pack("<Q", 1 << 60), "smaller than its disk"),
        (0x180, struct.pack("<I", (1 << 32) - 1), "does not fit before its data"),
        (0x154, struct.pack("<I", 513), "cannot be read"),
        (0x158, struct.pack("<I", 1 << 30), "beyond the end"),
        (0x200, struct.pack("<I", 77), "a block that it does not have"),
        (0x184, struct.pack("<I", 3), "beyond the end"),
    ],
)
def test_a_vdi_that_cannot_be_read_whole_is_refused(
    make: Callable[..., bytearray], offset: int, new: bytes, why: str
) -> None:
    content = make("vdi")
    put(content, offset, new)
    with pytest.raises(SourceError, match=why):
        recognised(content)


@pytest.mark.parametrize(
    ("offset", "new", "why"),
    [
        (16, struct.pack(">Q", (1 << 64) - 1), "beyond the end"),
        (12, b"\0\2", "its version"),
        (60, struct.pack(">I", 5), "its type is 5"),
        (48, struct.pack(">Q", 1 << 63), "its virtual size"),
        (48, struct.pack(">Q", 4 << 40), "its virtual size"),
        (48, bytes(8), "a disk of size zero"),
        (48, struct.pack(">Q", 1 << 40), "smaller than its disk"),
    ],
)
def test_a_dynamic_vhd_that_cannot_be_read_whole_is_refused(
    make: Callable[..., bytearray], offset: int, new: bytes, why: str
) -> None:
    content = make("vpc", "subformat=dynamic,force_size=on")
    put(content, offset, new)
    put(content, 64, vhd_checksum(bytes(content[:512])).to_bytes(4, "big"))
    put(content, len(content) - 512, bytes(content[:512]))
    with pytest.raises(SourceError, match=why):
        recognised(content)


def test_snapshots_and_bitmaps_of_a_qcow2_are_accepted_and_damaged_ones_refused(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    for command in (
        f"create -q -f qcow2 {image} 4M",
        f"snapshot -c first {image}",
        f"snapshot -c second {image}",
        f"bitmap --add {image} changes",
    ):
        subprocess.run(["qemu-img", *command.split()], check=True)
    content = image.read_bytes()
    assert recognised(content) == DiskFormat("qcow2", 4 * MIB)
    snapshots = struct.unpack_from(">Q", content, 64)[0]
    changes = ((60, ">I", 1 << 31), (snapshots, ">Q", 1 << 60), (snapshots + 36, ">I", 1 << 20))
    for offset, layout, value in changes:
        broken = bytearray(content)
        struct.pack_into(layout, broken, offset, value)
        with pytest.raises(SourceError, match="cut short or damaged"):
            recognised(broken)
    bitmaps = content.index(struct.pack(">II", 0x23852875, 24)) + 8
    for offset, value in ((0, 2), (8, 1 << 20), (16, 1 << 31)):
        broken = bytearray(content)
        struct.pack_into(">I", broken, bitmaps + offset, value)
        with pytest.raises(SourceError, match="bitmap"):
            recognised(broken)
