"""Images of every format, made by qemu-img, as fixed VHDs that qemu-img reads back."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.content.digests import digest_of_path
from support.mounts import tmpfs

from reconciler.providers.azure.images.vhd import BLOCK, MIB, footer, opened_disk, whole_mib
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.formats.recognising import recognise
from reconciler.providers.image_files.image_sources import FileSources
from reconciler.providers.image_files.source_disks import SourceDisk

pytestmark = pytest.mark.qemu

GIB = 1 << 30
SECTORS = os.urandom(2 * MIB) + bytes(3 * MIB) + os.urandom(MIB) + os.urandom(512)
"""A disk that ends in the middle of a MiB, and has a hole when it is written to a file."""

OVF = b"""<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:id="file1" ovf:href="disk.vmdk"/></References>
  <DiskSection><Disk ovf:diskId="disk1" ovf:fileRef="file1"/></DiskSection>
</Envelope>
"""


def disk_in(path: Path) -> SourceDisk:
    return FileSources(str(path.parent)).disks({"file": path.name}, None)[0]


def write_vhd(disk: SourceDisk, target: Path) -> ContentDigest:
    """Writes the fixed VHD of a disk as an upload does; returns the digest of its source."""
    with opened_disk(disk) as content, target.open("wb") as file:
        file.truncate(content.size)
        end = 0
        for block in content.blocks():
            assert block.position == end
            assert block.length % 512 == 0
            end += block.length
            if block.content is not None:
                assert len(block.content) == block.length <= BLOCK
                file.seek(block.position)
                file.write(block.content)
        assert end == content.size
        file.seek(content.size)
        file.write(footer(content.size, content.digest().text))
    return content.digest()


def read_back(vhd: Path) -> bytes:
    raw = vhd.with_suffix(".raw")
    subprocess.run(["qemu-img", "convert", "-f", "vpc", "-O", "raw", vhd, raw], check=True)
    return raw.read_bytes()


def virtual_size(vhd: Path) -> int:
    told = subprocess.run(["qemu-img", "info", "-f", "vpc", "--output=json", vhd], check=True, capture_output=True)
    size: int = json.loads(told.stdout)["virtual-size"]
    return size


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Makes an image of SECTORS in a format of qemu-img."""

    def convert(format_name: str, options: str = "") -> Path:
        raw, made = tmp_path / "sectors", tmp_path / f"image.{format_name}"
        raw.write_bytes(SECTORS)
        chosen = ["-o", options] if options else []
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", format_name, *chosen, raw, made], check=True)
        return made

    return convert


@pytest.mark.parametrize(
    ("format_name", "options"),
    [
        ("raw", ""),
        ("vpc", "subformat=fixed,force_size=on"),
        ("vpc", "subformat=dynamic,force_size=on"),
        ("vhdx", "subformat=dynamic"),
        ("vhdx", "subformat=fixed"),
        ("qcow2", "compat=0.10"),
        ("qcow2", "compression_type=zstd"),
        ("vmdk", "subformat=monolithicSparse"),
        ("vmdk", "subformat=streamOptimized"),
        ("vmdk", "subformat=monolithicSparse,zeroed_grain=on"),
        ("vmdk", "subformat=monolithicSparse,compat6=on"),
        ("vdi", ""),
        ("vdi", "static=on"),
        ("qcow2", "refcount_bits=1"),
        ("qcow2", "extended_l2=on"),
    ],
)
def test_every_format_becomes_a_fixed_vhd(
    make: Callable[..., Path], tmp_path: Path, format_name: str, options: str
) -> None:
    image, vhd = make(format_name, options), tmp_path / "made.vhd"

    digest = write_vhd(disk_in(image), vhd)

    assert digest == digest_of_path(image)
    assert vhd.stat().st_size == 7 * MIB + 512
    assert virtual_size(vhd) == 7 * MIB
    assert read_back(vhd) == SECTORS.ljust(7 * MIB, b"\0")


def test_a_disk_inside_an_archive_is_converted_where_it_lies(make: Callable[..., Path], tmp_path: Path) -> None:
    vmdk, ova = make("vmdk", "subformat=streamOptimized"), tmp_path / "appliance.ova"
    (tmp_path / "appliance.ovf").write_bytes(OVF)
    with tarfile.open(ova, "w") as archive:
        archive.add(tmp_path / "appliance.ovf", "appliance.ovf")
        archive.add(vmdk, "disk.vmdk")

    digest = write_vhd(disk_in(ova), tmp_path / "made.vhd")

    assert digest == digest_of_path(vmdk)
    assert read_back(tmp_path / "made.vhd") == SECTORS.ljust(7 * MIB, b"\0")


def test_the_size_in_the_footer_of_a_dynamic_vhd_counts_not_its_geometry(tmp_path: Path) -> None:
    raw, image = tmp_path / "sectors", tmp_path / "image.vhd"
    raw.write_bytes(SECTORS)
    subprocess.run(
        ["qemu-img", "convert", "-O", "vpc", "-o", "subformat=dynamic,force_size=on", raw, image], check=True
    )
    with image.open("r+b") as file:  # of a creator whose geometry QEMU would go by: 4 cylinders, 4 heads, 17 sectors
        for position in (0, image.stat().st_size - 512):
            file.seek(position)
            changed = bytearray(file.read(512))
            changed[28:32], changed[56:60] = b"vpc ", bytes((0, 4, 4, 17))
            changed[64:68] = bytes(4)
            changed[64:68] = (~sum(changed) & 0xFFFFFFFF).to_bytes(4, "big")
            file.seek(position)
            file.write(changed)

    write_vhd(disk_in(image), tmp_path / "made.vhd")

    assert read_back(tmp_path / "made.vhd") == SECTORS.ljust(7 * MIB, b"\0")


def test_holes_are_reported_and_not_read(tmp_path: Path) -> None:
    image = tmp_path / "sparse.raw"
    with image.open("wb") as file:
        file.truncate(3 * GIB)
        file.seek(GIB)
        file.write(b"data")

    with opened_disk(disk_in(image)) as content:
        blocks = list(content.blocks())

    held = [block for block in blocks if block.content is not None]
    assert [(block.position, block.length) for block in held] == [(GIB, 4096)]
    assert sum(block.length for block in blocks) == 3 * GIB


@pytest.mark.parametrize("size", [MIB, 64 * MIB, 600 * MIB, 2 * GIB, 40 * GIB, 126 * GIB, 200 * GIB, 1023 * GIB])
def test_the_footer_is_the_one_that_others_write_and_read(tmp_path: Path, size: int) -> None:
    theirs, ours = tmp_path / "theirs.vhd", tmp_path / "ours.vhd"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=fixed", theirs, str(size)], check=True)
    with theirs.open("rb") as file:
        file.seek(-512, os.SEEK_END)
        their_footer = file.read()
    rounded = int.from_bytes(their_footer[48:56], "big")  # they round up to their geometry
    our_footer = footer(size, "ab" * 32)
    with ours.open("wb") as file:
        file.seek(size)
        file.write(our_footer)

    assert footer(rounded, "ab" * 32)[56:60] == their_footer[56:60]
    assert recognise(lambda at, length: our_footer if at == size else bytes(length), size + 512, "it") == DiskFormat(
        "vhd-fixed", size
    )
    assert virtual_size(ours) == size


def test_the_same_content_gives_the_same_footer_and_other_content_another() -> None:
    assert footer(MIB, "01" * 32) == footer(MIB, "01" * 32)
    assert footer(MIB, "01" * 32)[68:84] != footer(MIB, "02" * 32)[68:84]


@pytest.mark.parametrize(("size", "rounded"), [(512, MIB), (MIB, MIB), (MIB + 1, 2 * MIB)])
def test_sizes_are_rounded_up_to_whole_mib(size: int, rounded: int) -> None:
    assert whole_mib(size) == rounded


def test_without_qemu_img_a_remedy_is_shown(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    image = make("qcow2")
    monkeypatch.setenv("PATH", "/nowhere")

    with (
        pytest.raises(ProviderError, match="qemu-img, which converts it, is not installed") as caught,
        opened_disk(disk_in(image)),
    ):
        pytest.fail("it was opened")

    assert "apt-get install qemu-utils" in caught.value.remedy


@pytest.mark.root
def test_a_full_disk_is_reported_and_nothing_is_left(
    make: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, folder = make("qcow2"), tmp_path / "small"
    folder.mkdir()
    with tmpfs(folder, 1024):
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        with pytest.raises(ProviderError, match="is full") as caught, opened_disk(disk_in(image)):
            pytest.fail("it was opened")
        assert os.listdir(folder) == []
    assert "TMPDIR" in caught.value.remedy


def test_an_image_that_cannot_be_converted_says_why(make: Callable[..., Path]) -> None:
    image = make("qcow2")
    with image.open("r+b") as file:
        file.seek(40)
        table = int.from_bytes(file.read(8), "big")
        file.seek(table)
        file.write((0x8000000000000000 | 0x12345).to_bytes(8, "big"))

    with pytest.raises(SourceError, match=r"'image\.qcow2' cannot be converted: .*"), opened_disk(disk_in(image)):
        pytest.fail("it was opened")


@pytest.mark.parametrize("format_name", ["raw", "qcow2"])
def test_a_file_that_changes_meanwhile_is_refused(make: Callable[..., Path], format_name: str) -> None:
    image = make(format_name)

    with pytest.raises(SourceError, match="changed while it was read"), opened_disk(disk_in(image)):
        image.write_bytes(b"something else")


def test_a_disk_of_no_size_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "empty.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "0"], check=True)

    with pytest.raises(SourceError, match="a disk of size zero"), opened_disk(disk_in(image)):
        pytest.fail("it was opened")


def test_an_image_whose_file_is_not_of_whole_sectors_is_converted(tmp_path: Path) -> None:
    image = tmp_path / "zeros.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    assert image.stat().st_size % 512

    with opened_disk(disk_in(image)) as content:
        assert content.size == MIB
        assert not any((block.content or b"").strip(b"\0") for block in content.blocks())
