"""What a guest sees at a place of its disk is what qemu-img converts it to, in every format."""

from __future__ import annotations

import random
import subprocess
from functools import partial
from pathlib import Path

import pytest
from support.image_files import disks

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.contents.reading import contents_of
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.formats.recognising import recognise
from reconciler.providers.image_files.guest_blocks import blocks
from reconciler.providers.image_files.guest_blocks.blocks import Unmapped
from reconciler.providers.image_files.guest_blocks.mapping import guest_reader

pytestmark = pytest.mark.qemu

SIZE = 12 << 20
FORMATS = [
    ("raw", ""),
    ("vpc", "-o subformat=fixed,force_size=on"),
    ("vpc", "-o subformat=dynamic,force_size=on"),
    ("vhdx", "-o subformat=dynamic"),
    ("vhdx", "-o subformat=fixed"),
    ("qcow2", "-o compat=0.10"),
    ("qcow2", "-c"),
    ("qcow2", "-c -o cluster_size=2097152"),
    ("qcow2", "-o extended_l2=on"),
    ("qcow2", "-c -o extended_l2=on"),
    ("qcow2", "-o cluster_size=512"),
    ("vmdk", "-o subformat=monolithicSparse"),
    ("vmdk", "-o subformat=monolithicSparse,zeroed_grain=on"),
    ("vmdk", "-o subformat=streamOptimized"),
    ("vdi", ""),
    ("vdi", "-o static=on"),
]


@pytest.fixture(scope="module")
def content() -> bytes:
    """Data, text and holes of many lengths."""
    some = random.Random(11)
    made = bytearray(SIZE)
    for _ in range(40):
        at, length = some.randrange(SIZE - 80_000), some.randrange(1, 80_000)
        made[at : at + length] = some.choice([some.randbytes(length), b"x" * length])
    return bytes(made)


def part(image: bytes, at: int, length: int) -> bytes:
    return image[at : at + length]


def converted(folder: Path, content: bytes, driver: str, options: str) -> bytes:
    (folder / "raw").write_bytes(content)
    words: list[str | Path] = ["qemu-img", "convert", "-f", "raw", "-O", driver, *options.split()]
    words += [folder / "raw", folder / "image"]
    subprocess.run(words, check=True)
    return (folder / "image").read_bytes()


@pytest.mark.parametrize(("driver", "options"), FORMATS)
def test_blocks_are_those_that_were_converted(driver: str, options: str, content: bytes, tmp_path: Path) -> None:
    image = converted(tmp_path, content, driver, options)
    read = partial(part, image)
    disk_format = recognise(read, len(image), "it")
    some = random.Random(12)
    for _ in range(120):
        at, length = some.randrange(SIZE), some.choice([1, 512, 4096, 70_000])
        guest = guest_reader(read, len(image), disk_format)
        assert guest(at, length) == content[at : at + length], (at, length)
    assert guest(-1, 5) == guest(SIZE, 5) == b""
    assert len(guest(0, SIZE)) == 512 << 10


def test_what_is_compressed_with_zstd_is_not_read(content: bytes, tmp_path: Path) -> None:
    image = converted(tmp_path, content, "qcow2", "-c -o compression_type=zstd")
    read = partial(part, image)
    guest = guest_reader(read, len(image), recognise(read, len(image), "it"))
    stored = next(at for at in range(0, SIZE, 65536) if any(content[at : at + 65536]))
    with pytest.raises(Unmapped, match="zstd"):
        guest(stored, 512)


@pytest.mark.parametrize(("driver", "options"), FORMATS)
def test_changed_images_are_read_or_not_but_never_a_surprise(driver: str, options: str, tmp_path: Path) -> None:
    image = converted(tmp_path, disks.efi_disk(), driver, options)
    path, some = tmp_path / "changed", random.Random(driver + options)
    read_at_all = 0
    for _ in range(60):
        changed = bytearray(image)
        for _ in range(some.randrange(1, 6)):
            at = some.choice([some.randrange(min(len(image), 4096)), some.randrange(len(image))])
            changed[at : at + 8] = some.choice([some.randbytes(8), b"\xff" * 8, bytes(8)])[: len(image) - at]
        path.write_bytes(changed)
        try:
            disk_format = recognise(partial(part, bytes(changed)), len(changed), "it")
        except SourceError:
            continue
        found = contents_of(Extent(str(path), 0, len(changed), "it"), disk_format)
        assert found.unread or len(found.partitions) <= 128
        read_at_all += 1
    assert read_at_all


def test_only_so_much_is_unpacked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(blocks, "_MOST_UNPACKED", 1 << 20)
    image = converted(tmp_path, b"x" * SIZE, "qcow2", "-c")
    read = partial(part, image)
    guest = guest_reader(read, len(image), recognise(read, len(image), "it"))
    assert guest(0, 512 << 10) + guest(512 << 10, 512 << 10) == b"x" * (1 << 20)
    with pytest.raises(Unmapped, match="more of its disk"):
        guest(2 << 20, 512)
