"""Real images, created by qemu-img, are recognised by their headers; truncated files and other kinds are refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.formats.recognising import recognise
from reconciler.providers.image_files.formats.vhd import vhd_checksum

pytestmark = pytest.mark.qemu

MIB = 1 << 20


def recognised(path: Path) -> DiskFormat:
    content = path.read_bytes()
    return recognise(lambda offset, length: content[offset : offset + length], len(content), path.name)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Creates an image of 3 MiB with data at its start and end in a format of qemu-img."""

    def convert(format_name: str, options: str = "") -> Path:
        raw, made = tmp_path / "source", tmp_path / f"made.{format_name}"
        raw.write_bytes(os.urandom(MIB) + bytes(MIB) + os.urandom(MIB))
        chosen = ["-o", options] if options else []
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", format_name, *chosen, raw, made], check=True)
        return made

    return convert


FORMATS = [
    ("raw", "", "raw"),
    ("vpc", "subformat=fixed,force_size=on", "vhd-fixed"),
    ("vpc", "subformat=dynamic,force_size=on", "vhd-dynamic"),
    ("vhdx", "subformat=dynamic", "vhdx"),
    ("vhdx", "subformat=fixed", "vhdx"),
    ("qcow2", "compat=0.10", "qcow2"),
    ("qcow2", "compat=1.1", "qcow2"),
    ("vmdk", "subformat=monolithicSparse", "vmdk"),
    ("vmdk", "subformat=streamOptimized", "vmdk"),
    ("vmdk", "subformat=monolithicSparse,zeroed_grain=on", "vmdk"),
    ("vmdk", "subformat=monolithicSparse,compat6=on", "vmdk"),
    ("vdi", "", "vdi"),
    ("vdi", "static=on", "vdi"),
    ("qcow2", "extended_l2=on", "qcow2"),
    ("qcow2", "compression_type=zstd", "qcow2"),
    ("qcow2", "cluster_size=512", "qcow2"),
    ("qcow2", "cluster_size=2M", "qcow2"),
    ("qcow2", "lazy_refcounts=on", "qcow2"),
    ("qcow2", "preallocation=full", "qcow2"),
    ("vhdx", "block_size=1M", "vhdx"),
    *[("qcow2", f"refcount_bits={bits}", "qcow2") for bits in (1, 2, 4, 8, 16, 32, 64)],
]


@pytest.mark.parametrize(("made_as", "options", "name"), FORMATS)
def test_an_image_of_qemu_img_is_recognised_with_its_virtual_size(
    make: Callable[..., Path], made_as: str, options: str, name: str
) -> None:
    assert recognised(make(made_as, options)) == DiskFormat(name, 3 * MIB)


CHECKED_FOR_CUTS = [row for row in FORMATS if row[2] not in ("raw", "vhd-fixed") and row[1] not in ("cluster_size=2M",)]
"""A raw disk has no end of its own, and what is missing of the last cluster of a qcow2 image is not in its tables."""


@pytest.mark.parametrize(("made_as", "options", "name"), CHECKED_FOR_CUTS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_an_image_that_is_cut_short_is_refused(
    make: Callable[..., Path], made_as: str, options: str, name: str, part: float
) -> None:
    path = make(made_as, options)
    os.truncate(path, int(path.stat().st_size * part) // 512 * 512)
    with pytest.raises(SourceError, match="cut short or damaged"):
        recognised(path)


def test_a_fixed_vhd_with_a_hole_before_its_footer_is_refused(make: Callable[..., Path]) -> None:
    path = make("vpc", "subformat=fixed,force_size=on")
    content = path.read_bytes()
    path.write_bytes(content[:MIB] + content[-512:])
    with pytest.raises(SourceError, match=f"declares {3 * MIB} bytes, but it has {MIB}"):
        recognised(path)


@pytest.mark.parametrize("options", ["subformat=fixed,force_size=on", "subformat=dynamic,force_size=on"])
def test_a_vhd_footer_with_a_wrong_checksum_is_refused(make: Callable[..., Path], options: str) -> None:
    path = make("vpc", options)
    content = bytearray(path.read_bytes())
    content[-512 + 50] ^= 1
    if "dynamic" in options:
        content[50] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match="a checksum in it is wrong"):
        recognised(path)


def test_a_differencing_vhd_is_refused(make: Callable[..., Path]) -> None:
    path = make("vpc", "subformat=dynamic,force_size=on")
    content = bytearray(path.read_bytes())
    for footer in (0, len(content) - 512):
        content[footer + 60 : footer + 64] = (4).to_bytes(4, "big")
        content[footer + 64 : footer + 68] = vhd_checksum(bytes(content[footer : footer + 512])).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(SourceError, match="not complete without another file"):
        recognised(path)


def test_overlays_are_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    base = make("qcow2")
    overlay = tmp_path / "overlay.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay], check=True)
    with pytest.raises(SourceError, match="backing file"):
        recognised(overlay)
    delta = tmp_path / "delta.vmdk"
    vmdk = make("vmdk")
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", "-b", vmdk, "-F", "vmdk", delta], check=True)
    with pytest.raises(SourceError, match="VMDK delta"):
        recognised(delta)


def test_a_vmdk_descriptor_is_refused_with_the_remedy(make: Callable[..., Path]) -> None:
    with pytest.raises(SourceError, match="data is in other files") as caught:
        recognised(make("vmdk", "subformat=monolithicFlat"))
    assert "qemu-img convert" in caught.value.remedy


@pytest.mark.parametrize("format_name", ["parallels", "qed", "qcow"])
def test_kinds_that_must_be_converted_are_refused_with_the_remedy(make: Callable[..., Path], format_name: str) -> None:
    with pytest.raises(SourceError, match="cannot be used directly") as caught:
        recognised(make(format_name))
    assert "qemu-img convert" in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\x00\x01" * 300, "not a multiple of 512"),
        (b"kind: Gallery\nname: corp\n" * 512, "it is text"),
        ("größe\n".encode() * 1024, "it is text"),
        (b"PK\x03\x04".ljust(1024, b"\0"), "zip"),
        (b"\x1f\x8b\x08".ljust(1024, b"\0"), "gzip"),
        (b"\xfd7zXZ\0".ljust(1024, b"\0"), "xz"),
        (b"\x7fELF\x02".ljust(1024, b"\0"), "ELF"),
        (b"%PDF-1.7\n".ljust(1024, b"\0"), "PDF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
        (bytes(257) + b"ustar".ljust(1024 - 257, b"\0"), "tar archive"),
        (bytes(32769) + b"CD001".ljust(2048 - 1, b"\0"), "optical disc"),
    ],
)
def test_what_cannot_be_a_disk_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=why):
        recognised(path)


def test_any_sectors_are_a_raw_disk(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"first sector".ljust(512, b"\0"))
    assert recognised(path) == DiskFormat("raw", 512)
