"""Compressed images: every way to compress and to be damaged, read as bounded streams by content and not by name."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.compressed.decoders import Compression, compression_of
from reconciler.providers.image_files.compressed.recognising import recognise_as_it_is
from reconciler.providers.image_files.compressed.streams import unpacked
from reconciler.providers.image_files.compressed.unpacking import unpack
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.formats.reading import ReadAt

IMAGE = os.urandom(300_000) + bytes(4 << 20) + b"\x55\xaa" * 256 + os.urandom(100_000)
MOST = 1 << 30
Pack = Callable[[bytes], bytes]
PACKERS: dict[Compression, Pack] = {
    Compression.GZIP: gzip.compress,
    Compression.XZ: lzma.compress,
    Compression.BZIP2: bz2.compress,
    Compression.ZSTD: zstandard.ZstdCompressor().compress,
}
every_way = pytest.mark.parametrize("way", list(Compression))


def extent(path: Path, content: bytes) -> Extent:
    path.write_bytes(content)
    return Extent(str(path), 0, len(content), f"'{path.name}'")


def unpack_bytes(content: bytes, way: Compression, piece: int = 4096) -> bytes:
    pieces = (content[start : start + piece] for start in range(0, len(content), piece))
    return b"".join(unpacked(pieces, way, "it"))


@every_way
@pytest.mark.parametrize("piece", [1, 7, 4096, 1 << 20])
def test_pieces_of_any_size_unpack_to_the_same(way: Compression, piece: int) -> None:
    content = IMAGE if piece > 7 else IMAGE[:5000] + bytes(100_000)
    assert unpack_bytes(PACKERS[way](content), way, piece) == content


@every_way
def test_several_streams_and_padding_are_one_image(way: Compression) -> None:
    """What parallel compressors write, and what tapes and xz --block-padding add."""
    pack = PACKERS[way]
    joined = pack(IMAGE[:1000]) + pack(b"") + pack(IMAGE[1000:]) + bytes(512)
    assert unpack_bytes(joined, way) == IMAGE


@pytest.mark.parametrize(("program", "way"), [("gzip", "gz"), ("bzip2", "bz2"), ("xz", "xz")])
def test_what_programs_write_is_recognised(program: str, way: str) -> None:
    for level in ("-1", "-9"):
        packed = subprocess.run([program, level, "-c"], input=IMAGE, capture_output=True, check=True).stdout
        assert compression_of(packed[:16]) == way
        assert unpack_bytes(packed, Compression(way)) == IMAGE


@every_way
def test_an_image_unpacks_with_its_holes(tmp_path: Path, way: Compression) -> None:
    packed = PACKERS[way](IMAGE)
    seen: list[int] = []
    file = unpack(extent(tmp_path / "disk", packed), way, MOST, seen.append)
    unpacked_image = Path(file.extent.path).read_bytes()
    assert unpacked_image == IMAGE
    assert os.stat(file.extent.path).st_blocks * 512 < len(IMAGE) // 2
    assert file.sha256 == hashlib.sha256(packed).hexdigest()
    assert sum(seen) == len(packed)
    path = file.extent.path
    del file
    assert not os.path.exists(path)


@every_way
def test_a_part_of_an_archive_is_unpacked_alone(tmp_path: Path, way: Compression) -> None:
    packed = PACKERS[way](IMAGE)
    (tmp_path / "ova").write_bytes(b"before" + packed + b"after")
    file = unpack(Extent(str(tmp_path / "ova"), 6, len(packed), "'disk'"), way, MOST)
    assert Path(file.extent.path).read_bytes() == IMAGE


@every_way
@pytest.mark.parametrize("keep", [17, 0.5, -1])
def test_an_image_that_is_cut_short_is_refused(tmp_path: Path, way: Compression, keep: float) -> None:
    packed = PACKERS[way](IMAGE)
    cut = packed[: int(keep * len(packed)) if 0 < keep < 1 else int(keep)]
    with pytest.raises(SourceError, match="cut short"):
        unpack(extent(tmp_path / "disk", cut), way, MOST)


@every_way
def test_a_damaged_image_is_refused(tmp_path: Path, way: Compression) -> None:
    pack = zstandard.ZstdCompressor(write_checksum=True).compress if way is Compression.ZSTD else PACKERS[way]
    packed = bytearray(pack(IMAGE))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(SourceError, match="damaged"):
        unpack(extent(tmp_path / "disk", bytes(packed)), way, MOST)


@every_way
def test_what_follows_an_image_is_not_ignored(tmp_path: Path, way: Compression) -> None:
    with pytest.raises(SourceError, match="damaged"):
        unpack(extent(tmp_path / "disk", PACKERS[way](IMAGE) + b"something else, and long enough"), way, MOST)


@every_way
def test_an_image_that_unpacks_to_too_much_is_refused(tmp_path: Path, way: Compression) -> None:
    packed = PACKERS[way](bytes(32 << 20))
    with pytest.raises(SourceError, match=r"unpacks to more than 0\.0156\d* GiB") as raised:
        unpack(extent(tmp_path / "disk", packed), way, 16 << 20)
    assert "downloads.largestUnpackedGiB" in raised.value.remedy


def test_a_full_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    """With a limit on the size of files, which fails as a full disk does."""
    packed = extent(tmp_path / "disk", gzip.compress(os.urandom(1 << 20)))
    program = (
        "import resource, signal, sys\n"
        "from reconciler.providers.image_files.compressed.unpacking import unpack\n"
        "from reconciler.providers.image_files.compressed.decoders import Compression\n"
        "from reconciler.providers.image_files.extents import Extent\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "unpack(Extent(sys.argv[1], 0, int(sys.argv[2]), 'it'), Compression.GZIP, 1 << 30)\n"
    )
    command = [sys.executable, "-c", program, packed.path, str(packed.size)]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert f"ProviderError: it cannot be unpacked: '{tmp_path}' is full" in ended.stderr


def test_a_demand_for_memory_is_refused(tmp_path: Path) -> None:
    """By xz and zstd, whose files say how much they need; the data itself is small."""
    frame = bytes.fromhex("28b52ffd") + bytes([0x00, (31 - 10) << 3]) + bytes.fromhex("010000")
    header = bytearray(lzma.compress(b"x", preset=0))
    header[12 + 4] = 40  # the dictionary of its only filter: 4 GiB
    header[20:24] = zlib.crc32(bytes(header[12:20])).to_bytes(4, "little")
    for way, content in ((Compression.XZ, bytes(header)), (Compression.ZSTD, frame)):
        with pytest.raises(SourceError, match="needs more memory"):
            unpack(extent(tmp_path / "disk", content), way, MOST)


@every_way
def test_bombs_need_little_memory(tmp_path: Path, way: Compression) -> None:
    """512 MiB of zeros, unpacked by a process that may take 256 MiB more than it has; only a hole is written."""
    with (tmp_path / "bomb").open("wb") as target:
        for _ in range(8):
            target.write(PACKERS[way](bytes(64 << 20)))
    program = (
        "import os, resource, sys\n"
        "from reconciler.providers.image_files.compressed.unpacking import unpack\n"
        "from reconciler.providers.image_files.compressed.decoders import Compression\n"
        "from reconciler.providers.image_files.extents import Extent\n"
        "import zstandard\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * os.sysconf('SC_PAGESIZE')\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), used + (256 << 20)))\n"
        "size = os.stat(sys.argv[1]).st_size\n"
        "file = unpack(Extent(sys.argv[1], 0, size, 'it'), Compression(sys.argv[2]), 1 << 40)\n"
        "print(file.extent.size, os.stat(file.extent.path).st_blocks)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "bomb"), str(way)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [str(1 << 29), "0"]


def test_zstd_without_its_library_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = PACKERS[Compression.ZSTD](IMAGE)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(SourceError, match="the library that unpacks it is not installed") as raised:
        recognise_as_it_is(lambda at, length: packed[at : at + length], len(packed), "it")
    assert "[zstd]" in raised.value.remedy


def reading(content: bytes) -> ReadAt:
    return lambda at, length: content[at : at + length]


@pytest.mark.qemu
@every_way
def test_a_plan_sees_what_the_beginning_shows(tmp_path: Path, way: Compression) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(tmp_path / "q"), "5M"], check=True)
    for content, shown, size in ((IMAGE, "disk image", 0), ((tmp_path / "q").read_bytes(), "qcow2", 5 << 20)):
        packed = PACKERS[way](content)
        form, found = recognise_as_it_is(reading(packed), len(packed), "it")
        assert (form.name, form.virtual_size, found) == (f"{shown} in {way}", size, way)


@every_way
def test_a_plan_reads_the_beginning_only(way: Compression) -> None:
    packed = PACKERS[way](os.urandom(1 << 20) * 8)
    read: list[int] = []

    def counting(at: int, length: int) -> bytes:
        read.append(length)
        return packed[at : at + length]

    recognise_as_it_is(counting, len(packed), "it")
    assert sum(read) <= 1 << 20


@every_way
def test_a_compressed_file_that_is_no_image_is_refused(way: Compression) -> None:
    tar = b"name".ljust(257, b"\0") + b"ustar\x0000" + bytes(1000)
    for content, what in ((tar, "a tar archive"), (gzip.compress(IMAGE), r"another compressed file \(gz\)")):
        packed = PACKERS[way](content)
        with pytest.raises(SourceError, match=f"it contains {what}"):
            recognise_as_it_is(reading(packed), len(packed), "it")


def test_what_only_begins_like_a_compressed_file_is_not_one() -> None:
    heads = (b"", b"\x1f\x8b", b"BZh9 is text", b"\xfd7zX", b"\x28\xb5\x2f")
    assert [compression_of(head) for head in heads] == [None] * len(heads)
