"""What is on a disk: tables that are in order, and those that somebody made to be read for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.image_files import disks
from support.image_files.disks import BIOS_BOOT, ESP, LINUX, SECTOR, SIZE

from reconciler.providers.image_contents import ImageContents, Table
from reconciler.providers.image_files.contents.reading import read_contents
from reconciler.providers.image_files.formats.reading import ReadAt


class Reading:
    """Reads a disk, and counts. `most` is the longest single read."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.reads = 0
        self.most = 0

    def __call__(self, at: int, length: int) -> bytes:
        assert length >= 0
        self.reads += 1
        self.most = max(self.most, length)
        return self.content[at : at + length] if at >= 0 else b""


def contents(disk: bytes) -> ImageContents:
    """What is found; in a bounded number of reads of bounded length."""
    reading = Reading(disk)
    found = read_contents(reading, len(disk))
    assert reading.reads <= 20_000
    assert reading.most <= 512 << 10
    return found


def test_an_efi_disk() -> None:
    found = contents(disks.efi_disk())
    assert (found.table, found.sector_size, found.problems) == (Table.GPT, 512, ())
    assert (found.bios, found.has_esp, found.efi) == (False, True, ("x64",))
    (esp,) = found.partitions
    assert (esp.type, esp.content, esp.start) == ("EFI system", "FAT", 2048 * SECTOR)


def test_a_disk_for_both_firmwares_and_processors() -> None:
    found = contents(disks.efi_disk([b"BOOTX64 EFI", b"BOOTAA64EFI"], bios=True))
    assert (found.bios, found.efi) == (True, ("Arm64", "x64"))


def test_an_esp_without_a_loader() -> None:
    found = contents(disks.efi_disk([]))
    assert (found.has_esp, found.efi) == (True, ())


def test_a_bios_disk() -> None:
    found = contents(disks.bios_disk())
    assert (found.table, found.bios, found.has_esp) == (Table.MBR, True, False)
    assert [partition.type for partition in found.partitions] == ["Linux"]


def test_a_gpt_for_sectors_of_4096_bytes() -> None:
    found = contents(disks.disk(disks.gpt_parts([(ESP, 64, 127)], sector=4096)))
    assert (found.table, found.sector_size, found.partitions[0].start) == (Table.GPT, 4096, 64 * 4096)


def test_a_hybrid_table() -> None:
    found = contents(disks.disk(disks.gpt_parts([(LINUX, 64, 127)], rows=[(0x83, 64, 64)])))
    assert found.table is Table.HYBRID


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (disks.LUKS, "LUKS"),
        (disks.BITLOCKER, "BitLocker"),
        (b"XFSB", "XFS"),
        (bytes(1080) + b"\x53\xef", "ext2"),
        (bytes(65536 + 64) + b"_BHRfS_M", "btrfs"),
        (bytes(512) + b"LABELONE".ljust(24, b"\0") + b"LVM2 001", "LVM"),
        (bytes(4086) + b"SWAPSPACE2", "swap"),
    ],
)
def test_signatures_of_partitions_and_of_whole_disks(start: bytes, name: str) -> None:
    in_partition = contents(disks.disk({0: disks.mbr_sector([(0x83, 2048, 2048)]), 2048 * SECTOR: start}))
    assert in_partition.partitions[0].content == name
    whole = contents(disks.disk({0: start}))
    assert (whole.table, whole.content) == (Table.NONE, name)
    assert whole.encrypted == in_partition.encrypted == ((name,) if name in ("LUKS", "BitLocker") else ())


def test_nothing() -> None:
    assert contents(bytes(SIZE)) == ImageContents()
    assert contents(bytes(512)) == ImageContents()


@pytest.mark.parametrize("at", [512 + 16, 512 + 72, 1024 + 40], ids=["checksum", "entries", "an entry"])
def test_the_copy_is_used_where_the_first_is_damaged(at: int) -> None:
    disk = bytearray(disks.efi_disk())
    disk[at] ^= 0xFF
    found = contents(bytes(disk))
    assert [partition.type for partition in found.partitions] == ["EFI system"]
    assert "only the copy" in found.problems[0]
    disk[-512 + 16] ^= 0xFF
    found = contents(bytes(disk))
    assert (found.table, found.partitions) == (Table.GPT, ())
    assert "checksum" in found.problems[0]


def test_partitions_that_overlap_or_end_beyond_the_disk() -> None:
    found = contents(disks.disk(disks.gpt_parts([(LINUX, 64, 200), (LINUX, 128, 1 << 40), (BIOS_BOOT, 1 << 60, 5)])))
    assert "partitions 1 and 2 overlap" in found.problems
    assert "partition 2 ends beyond the end of the disk" in found.problems


def test_a_table_cut_off_from_a_larger_disk() -> None:
    disk = disks.disk(disks.gpt_parts([(LINUX, 64, 200)]))
    assert "made for a larger disk" in contents(disk[: 2 << 20]).problems[0]


@pytest.mark.parametrize("count", [513, 1 << 20, 0xFFFFFFFF])
def test_a_gpt_with_millions_of_entries(count: int) -> None:
    entries = disks.gpt_entry(LINUX, 64, 127) * 512
    header = disks.gpt_header(entries, here=1, other=8191, entries_at=2, count=count)
    found = contents(disks.disk({0: disks.mbr_sector([disks.PROTECTIVE]), 512: header, 1024: entries}))
    assert len(found.partitions) == 128
    assert any(f"room for {count} partitions" in problem for problem in found.problems)


@pytest.mark.parametrize("following", [0, 10, 63], ids=["itself", "a ring", "far away"])
def test_a_chain_of_logical_partitions_without_an_end(following: int) -> None:
    parts = {0: disks.mbr_sector([(5, 64, 8000)])}
    for step in range(200):
        at = (64 + step * following) % 8000
        parts[at * SECTOR] = disks.mbr_sector([(0x83, 1, 1), (5, (step + 1) * following % 7900, 1)])
    found = contents(disks.disk(parts))
    assert len(found.partitions) <= 128
    assert any("no proper end" in problem for problem in found.problems) is (following != 0)


def test_a_folder_in_a_ring_ends() -> None:
    file_system = bytearray(disks.fat16())
    file_system[SECTOR + 4 : SECTOR + 8] = b"\2\0\2\0"
    parts = disks.gpt_parts([(ESP, 2048, 6300)]) | {2048 * SECTOR: bytes(file_system)}
    assert contents(disks.disk(parts)).has_esp


MAKERS: list[Callable[[], bytes]] = [disks.efi_disk, disks.bios_disk]


@given(
    maker=st.sampled_from(MAKERS),
    changes=st.lists(st.tuples(st.integers(0, 4096), st.binary(min_size=1, max_size=8)), max_size=12),
    in_file_system=st.lists(st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=4)), max_size=12),
    cut=st.integers(0, SIZE),
)
def test_whatever_is_in_a_table_is_read(
    maker: Callable[[], bytes], changes: list[tuple[int, bytes]], in_file_system: list[tuple[int, bytes]], cut: int
) -> None:
    disk = bytearray(maker())
    for at, content in changes:
        disk[at : at + len(content)] = content
    for at, content in in_file_system:
        disk[2048 * SECTOR + at : 2048 * SECTOR + at + len(content)] = content
    found = contents(bytes(disk[: SIZE - cut]))
    assert len(found.partitions) <= 128
    assert all(partition.size >= 0 for partition in found.partitions)


@given(st.binary(max_size=6000))
def test_any_bytes_are_read(content: bytes) -> None:
    reading: ReadAt = Reading(content)
    read_contents(reading, len(content))
