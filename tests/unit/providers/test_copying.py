"""Copies of real files on real file systems: content, digest, holes, shared blocks, and what goes wrong."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.content.digests import digest_of, digest_of_path
from support.mounts import btrfs, tmpfs

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.copying import Sink, copy_extent, digest_extent
from reconciler.providers.image_files.extents import PIECE, Extent, file_identity, pieces

MIB = 1 << 20
DENSE = bytes(range(256)) * (5 * MIB // 256) + b"the end"
MakeSink = Callable[[Path], Sink]


@pytest.fixture
def make_sink() -> Iterator[MakeSink]:
    """Opens sinks and closes them at the end."""
    opened: list[int] = []

    def make(path: Path) -> Sink:
        opened.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        return Sink(opened[-1])

    yield make
    for fd in opened:
        os.close(fd)


def whole(path: Path) -> Extent:
    return Extent(str(path), 0, path.stat().st_size, path.name)


def sparse_file(path: Path, size: int, *data: tuple[int, bytes]) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for position, content in data:
            file.seek(position)
            file.write(content)
    return path


def allocated(path: Path) -> int:
    return path.stat().st_blocks * 512


def data_ranges(path: Path) -> list[tuple[int, int]]:
    """(start, end) of what is not a hole."""
    found, position, size = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while position < size:
            try:
                start = os.lseek(file.fileno(), position, os.SEEK_DATA)
            except OSError:  # only a hole is left
                break
            position = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            found.append((start, position))
    return found


@pytest.mark.parametrize("content", [b"x" * 512, b"y" * (256 << 10), DENSE, DENSE[:PIECE], DENSE[: PIECE + 1]])
def test_every_sink_gets_the_content_from_one_read(tmp_path: Path, make_sink: MakeSink, content: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    copies = [tmp_path / f"copy-{number}" for number in range(3)]
    heard: list[int] = []
    digest = copy_extent(whole(source), [make_sink(copy) for copy in copies], heard.append)
    assert digest == digest_of(content) == digest_extent(whole(source))
    assert digest_extent(whole(source), plain=True) == digest_of(content, plain=True)
    assert [copy.read_bytes() for copy in copies] == [content] * 3
    assert sum(heard) == len(content)


@pytest.mark.parametrize(
    "data",
    [
        (),
        ((0, b"a" * 8192),),
        ((7 * MIB, b"z" * 4096),),
        ((MIB, b"b" * 65536), (5 * MIB, b"c" * 65536)),
    ],
)
def test_holes_stay_holes_and_count_as_zeros(
    tmp_path: Path, make_sink: MakeSink, data: tuple[tuple[int, bytes], ...]
) -> None:
    source, copy = sparse_file(tmp_path / "source", 8 * MIB, *data), tmp_path / "copy"
    digest = copy_extent(whole(source), [make_sink(copy)])
    assert digest == digest_of_path(source)
    assert copy.read_bytes() == source.read_bytes()
    assert data_ranges(copy) == data_ranges(source)
    assert allocated(copy) <= allocated(source)


def test_a_small_file_that_is_a_hole_stays_one(tmp_path: Path, make_sink: MakeSink) -> None:
    source, copy = sparse_file(tmp_path / "source", 65536), tmp_path / "copy"
    assert copy_extent(whole(source), [make_sink(copy)]) == digest_of(bytes(65536))
    assert (copy.stat().st_size, allocated(copy)) == (65536, 0)


def test_a_part_of_a_file_can_be_copied(tmp_path: Path, make_sink: MakeSink) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(b"before" + DENSE + b"after")
    digest = copy_extent(Extent(str(source), 6, len(DENSE), "part"), [make_sink(copy)])
    assert digest == digest_of(DENSE)
    assert copy.read_bytes() == DENSE


def write_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4 * MIB)
        file.write(b"other")


def cut_off(path: Path) -> None:
    os.truncate(path, 3 * MIB)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def write_and_set_time_back(path: Path) -> None:
    before = path.stat()
    write_in_place(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [write_in_place, cut_off, append, write_and_set_time_back])
def test_a_source_that_changes_while_it_is_copied_is_refused(
    tmp_path: Path, make_sink: MakeSink, change: Callable[[Path], None]
) -> None:
    source = tmp_path / "source"
    source.write_bytes(DENSE)
    changed: list[bool] = []

    def advance(_: int) -> None:
        if not changed:
            changed.append(True)
            change(source)

    with pytest.raises(SourceError, match="source changed while it was read"):
        copy_extent(whole(source), [make_sink(tmp_path / "copy")], advance)


def test_a_source_that_changed_since_it_was_inspected_is_refused(tmp_path: Path, make_sink: MakeSink) -> None:
    source = tmp_path / "source"
    source.write_bytes(DENSE)
    extent = Extent(str(source), 0, len(DENSE), "source", file_identity(source.stat()))
    copy_extent(extent, [make_sink(tmp_path / "one")])
    write_in_place(source)
    with pytest.raises(SourceError, match="changed"):
        copy_extent(extent, [make_sink(tmp_path / "other")])


def test_anything_but_a_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    (tmp_path / "file").write_bytes(b"x" * 512)
    link.symlink_to("file")
    for path in (fifo, tmp_path, Path("/dev/zero")):
        with pytest.raises(SourceError, match="not a regular file"):
            digest_extent(Extent(str(path), 0, 512, path.name))
    with pytest.raises(SourceError, match="does not exist"):
        digest_extent(Extent(str(tmp_path / "none"), 0, 512, "none"))
    digest_extent(Extent(str(link), 0, 512, "link"))
    with pytest.raises(SourceError, match="cannot be opened"):
        digest_extent(Extent(str(link), 0, 512, "link", followed=False))


@pytest.mark.parametrize("size", [4096, len(DENSE)])
def test_a_full_disk_stops_only_its_own_sink(tmp_path: Path, make_sink: MakeSink, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(DENSE[:size])
    copy = tmp_path / "copy"
    good = make_sink(copy)
    full = Sink(os.open("/dev/full", os.O_RDWR))
    try:
        digest = copy_extent(whole(source), [full, good])
    finally:
        os.close(full.fd)
    assert digest == digest_of(DENSE[:size])
    assert full.error is not None
    assert good.error is None
    assert copy.read_bytes() == DENSE[:size]


@pytest.mark.root
def test_a_disk_that_fills_up_while_copying_stops_only_its_own_sink(tmp_path: Path, make_sink: MakeSink) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(DENSE)
    with tmpfs(tmp_path / "small", 3 << 10) as small:
        fd = os.open(small / "copy", os.O_RDWR | os.O_CREAT)
        full = Sink(fd)
        copy_extent(whole(source), [full, make_sink(copy)])
        os.close(fd)
    assert full.error is not None
    assert full.error.errno == errno.ENOSPC
    assert copy.read_bytes() == DENSE


def shared_with(path: Path) -> list[int]:
    """The physical addresses of a file's extents on its disk (FIEMAP)."""
    header, extent = struct.Struct("=QQLLLL"), struct.Struct("=QQQQQLLLL")
    request = bytearray(header.pack(0, 1 << 62, 1, 0, 64, 0) + bytes(64 * extent.size))
    with path.open("rb") as file:
        fcntl.ioctl(file.fileno(), 0xC020660B, request)
    count = header.unpack_from(request)[3]
    return [extent.unpack_from(request, header.size + number * extent.size)[1] for number in range(count)]


@pytest.mark.root
def test_blocks_are_shared_if_the_file_system_supports_it(tmp_path: Path, make_sink: MakeSink) -> None:
    with btrfs(tmp_path / "disk") as disk:
        source, copy, inside = disk / "source", disk / "copy", disk / "inside"
        source.write_bytes(DENSE)
        found = []
        for path in (copy, inside):
            fd = os.open(path, os.O_RDWR | os.O_CREAT)
            found.append(copy_extent(whole(source), [Sink(fd)]))
            os.fsync(fd)
            os.close(fd)
        assert found == [digest_of(DENSE)] * 2
        assert copy.read_bytes() == DENSE
        assert shared_with(copy) == shared_with(source) == shared_with(inside)


@pytest.mark.root
def test_the_replicas_share_blocks_though_the_source_is_elsewhere(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(DENSE)
    with btrfs(tmp_path / "disk") as disk:
        paths = [disk / f"replica-{number}" for number in range(3)]
        sinks = [Sink(os.open(path, os.O_RDWR | os.O_CREAT)) for path in paths]
        copy_extent(whole(source), sinks)
        for sink in sinks:
            assert sink.error is None
            os.fsync(sink.fd)
            os.close(sink.fd)
        assert [path.read_bytes() for path in paths] == [DENSE] * 3
        assert shared_with(paths[0]) == shared_with(paths[1]) == shared_with(paths[2])


def test_reading_does_not_change_the_identity_and_replacing_does(tmp_path: Path) -> None:
    path, other = tmp_path / "image", tmp_path / "other"
    path.write_bytes(DENSE)
    before = file_identity(path.stat())
    path.read_bytes()
    assert file_identity(path.stat()) == before
    other.write_bytes(DENSE)
    status = path.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert file_identity(path.stat()) != before


@pytest.mark.parametrize("offset", [0, 100, 4000])
def test_data_begins_and_ends_at_whole_sectors_of_the_extent(tmp_path: Path, offset: int) -> None:
    path = sparse_file(tmp_path / "archive", 5 * MIB, (MIB, b"a" * MIB), (3 * MIB, b"b"))
    extent = Extent(str(path), offset, 4 * MIB, "it")

    with path.open("rb") as file:
        found = list(pieces(file.fileno(), extent))

    assert all((start - offset) % 512 == 0 for start, _, _ in found)
    assert [start for start, _, _ in found[1:]] == [start + length for start, length, _ in found[:-1]]
    assert (found[0][0], sum(length for _, length, _ in found)) == (offset, 4 * MIB)
    held = [(start, start + length) for start, length, is_data in found if is_data]
    assert any(start <= MIB and end >= 2 * MIB for start, end in held)
    assert sum(end - start for start, end in held) < MIB + 16384
    assert digest_extent(extent) == digest_of(path.read_bytes()[offset : offset + 4 * MIB])


def test_a_hole_of_any_size_is_not_read(tmp_path: Path, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 TiB with two pieces of data cost the bytes of these, in a copy and in a digest."""
    source = sparse_file(tmp_path / "source", 2 << 40, (5 * MIB, DENSE[:MIB]), (1 << 40, DENSE[:MIB]))
    read: list[int] = []
    real = os.preadv

    def counted(fd: int, buffers: list[memoryview], offset: int) -> int:
        read.append(sum(map(len, buffers)))
        return real(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", counted)
    heard: list[int] = []
    digest = copy_extent(whole(source), [make_sink(tmp_path / "copy")], heard.append)
    assert sum(read) < 4 * MIB
    assert (sum(heard), len(heard) < 10) == (2 << 40, True)
    assert (tmp_path / "copy").stat().st_size == 2 << 40
    assert allocated(tmp_path / "copy") < 4 * MIB
    assert digest_extent(whole(tmp_path / "copy")) == digest
