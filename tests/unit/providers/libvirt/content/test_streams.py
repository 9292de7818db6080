"""Streams to, from and between real hosts: the same bytes and holes, and incomplete content never counts."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.content.digests import digest_of, digest_of_path
from support.libvirt.daemons import LibvirtHost
from support.libvirt.regions import Regions

from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError, SourceError, Unavailable
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.libvirt.configuration import Configuration, Host
from reconciler.providers.libvirt.content import streams
from reconciler.providers.libvirt.content.pieces import Hole, Piece, length_of
from reconciler.providers.libvirt.host.connections import KeepAlive
from reconciler.providers.libvirt.host.hosts import Hosts

MIB = 1 << 20


def sparse_file(path: Path) -> Extent:
    """64 MiB: data at both ends of a hole, data that is zeros, a hole at the end, and odd sizes."""
    with path.open("wb") as file:
        file.write(os.urandom(5 * MIB + 513))
        file.seek(40 * MIB)
        file.write(os.urandom(MIB) + bytes(2 * MIB))
        file.truncate(64 * MIB + 7)
    return extent_of(path)


def extent_of(path: Path) -> Extent:
    return Extent(str(path), 0, path.stat().st_size, str(path))


def allocated(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_content_is_uploaded_transferred_and_downloaded_with_its_holes(regions: Regions, tmp_path: Path) -> None:
    image = sparse_file(tmp_path / "image")
    east, west = regions.east, regions.west
    gone: list[int] = []

    east.pool.create("image", image.size, "raw")
    streams.upload(east.pool, "image", streams.pieces_of(image), gone.append)
    digest = digest_of_path(tmp_path / "image")
    assert digest_of_path(east.folder / "image") == digest
    assert sum(gone) == image.size

    gone.clear()
    west.pool.create("copy", image.size, "raw")
    streams.transfer(east.pool, "image", west.pool, "copy", gone.append)
    assert digest_of_path(west.folder / "copy") == digest
    assert sum(gone) == image.size

    gone.clear()
    assert streams.digest_of_file(west.pool, "copy", gone.append) == digest
    assert sum(gone) == image.size
    for file in (east.folder / "image", west.folder / "copy"):
        assert allocated(file) < 9 * MIB


def test_a_hole_stays_a_hole_when_downloaded(regions: Regions, tmp_path: Path) -> None:
    image = sparse_file(tmp_path / "image")
    regions.east.pool.create("image", image.size, "raw")
    streams.upload(regions.east.pool, "image", streams.pieces_of(image))
    pieces: list[Piece] = []
    assert streams.download(regions.east.pool, "image", pieces.append) == image.size
    data = sum(length_of(piece) for piece in pieces if not isinstance(piece, Hole))
    assert data < 9 * MIB
    assert sum(map(length_of, pieces)) == image.size


@pytest.mark.parametrize("size", [0, 1, streams.PIECE - 1, streams.PIECE, streams.PIECE + 1])
def test_every_size_arrives(regions: Regions, tmp_path: Path, size: int) -> None:
    (tmp_path / "image").write_bytes(os.urandom(size))
    regions.west.pool.create("image", size, "raw")
    streams.upload(regions.west.pool, "image", streams.pieces_of(extent_of(tmp_path / "image")))
    digest = digest_of_path(tmp_path / "image")
    assert digest == digest_of_path(regions.west.folder / "image") == streams.digest_of_file(regions.west.pool, "image")


def test_a_part_of_a_file_can_be_uploaded(regions: Regions, tmp_path: Path) -> None:
    content = os.urandom(3 * MIB)
    (tmp_path / "archive").write_bytes(content)
    regions.east.pool.create("part", MIB, "raw")
    extent = Extent(str(tmp_path / "archive"), 1000, MIB, "part")
    streams.upload(regions.east.pool, "part", streams.pieces_of(extent))
    assert regions.east.pool.read("part") == content[1000 : 1000 + MIB]


def test_a_qcow2_arrives_as_it_is(regions: Regions) -> None:
    """Its file goes into a raw volume; after a refresh libvirt recognises the format."""
    east, west = regions.east, regions.west
    east.pool.create("image", 3 << 30, "qcow2")
    source = east.pool.volume("image")
    assert source is not None
    west.pool.create("image", source.size, "raw")
    streams.transfer(east.pool, "image", west.pool, "image")
    assert west.pool.refresh()
    copy = west.pool.volume("image")
    assert copy is not None
    assert (copy.format, copy.capacity, copy.size) == ("qcow2", 3 << 30, source.size)
    assert (west.folder / "image").read_bytes() == (east.folder / "image").read_bytes()


@pytest.fixture
def small(libvirt_hosts: tuple[LibvirtHost, ...]) -> Iterator[tuple[Hosts, Path]]:
    """A pool with 4 MiB of space."""
    host = libvirt_hosts[1]
    folder = host.define_pool("small", size_mib=4)
    hosts = Hosts(Configuration("main", {"eastus": Host("eastus", host.uri, "small")}))
    yield hosts, folder
    hosts.close()
    host.virsh("pool-destroy", "small")
    host.virsh("pool-undefine", "small")


@pytest.mark.parametrize("too_much", [1, 200 << 10, MIB, 64 * MIB])
def test_a_full_pool_is_reported_however_little_is_missing(small: tuple[Hosts, Path], too_much: int) -> None:
    hosts, folder = small
    pool = hosts.pool("eastus")
    size = 4 * MIB + too_much
    pool.create("image", size, "raw")
    left = os.urandom(size)
    pieces = (left[start : start + streams.PIECE] for start in range(0, size, streams.PIECE))
    with pytest.raises(ProviderError) as caught:
        streams.upload(pool, "image", pieces)
    assert "free some space" in caught.value.remedy
    assert not isinstance(caught.value, Unavailable)
    pool.delete("image")
    assert os.listdir(folder) == []


def test_zeros_at_the_end_need_no_space(small: tuple[Hosts, Path]) -> None:
    """Zeros that cannot be written are there anyway."""
    hosts, folder = small
    hosts.pool("eastus").create("image", 2 * MIB, "raw")
    streams.upload(hosts.pool("eastus"), "image", [b"x" * 1000, bytes(1000), Hole(2 * MIB - 2000)])
    assert (folder / "image").read_bytes() == b"x" * 1000 + bytes(2 * MIB - 1000)


@pytest.mark.parametrize("which", [0, 1])
def test_a_host_that_dies_in_the_middle_is_unavailable(
    regions: Regions, libvirt_hosts: tuple[LibvirtHost, ...], which: int
) -> None:
    """Either end of a transfer; and the connection is reopened when its host is back."""
    east, west = regions.east.pool, regions.west.pool
    size = 256 * streams.PIECE
    east.create("image", size, "raw")
    block = os.urandom(streams.PIECE)
    streams.upload(east, "image", [block] * 256)
    west.create("image", size, "raw")
    gone = 0

    def advance(count: int) -> None:
        nonlocal gone
        before, gone = gone, gone + count
        if before < size // 4 <= gone:
            libvirt_hosts[which].kill()

    try:
        with pytest.raises(Unavailable) as caught:
            streams.transfer(east, "image", west, "image", advance)
        assert libvirt_hosts[which].uri in caught.value.message
    finally:
        libvirt_hosts[which].restart()
    west.delete("image")
    west.create("image", size, "raw")
    streams.transfer(east, "image", west, "image")
    assert streams.digest_of_file(west, "image") == digest_of(block * 256)


def test_a_host_that_hangs_is_unavailable(libvirt_hosts: tuple[LibvirtHost, ...]) -> None:
    host = libvirt_hosts[1]
    host.define_pool("hanging")
    hosts = Hosts(Configuration("main", {"eastus": Host("eastus", host.uri, "hanging")}), KeepAlive(1, 1))
    pool = hosts.pool("eastus")
    pool.create("image", 64 * MIB, "raw")
    host.signal("STOP")
    try:
        with pytest.raises(Unavailable, match="keepalive"):
            streams.digest_of_file(pool, "image")
    finally:
        host.signal("CONT")
    pool.delete("image")
    hosts.close()


def test_the_error_of_a_source_is_raised(regions: Regions, tmp_path: Path) -> None:
    """The stream is aborted, so that the volume can be deleted at once."""
    image = sparse_file(tmp_path / "image")
    pool = regions.east.pool
    pool.create("image", image.size, "raw")

    def changing() -> Iterator[Piece]:
        for number, piece in enumerate(streams.pieces_of(image)):
            if number == 5:
                (tmp_path / "image").write_bytes(b"something else")
            yield piece

    with pytest.raises(SourceError, match="changed while it was read"):
        streams.upload(pool, "image", changing())
    pool.delete("image")
    assert os.listdir(regions.east.folder) == []


def test_the_error_of_a_sink_is_raised(regions: Regions) -> None:
    regions.east.pool.write("image", os.urandom(MIB))

    def refuse(_piece: Piece) -> None:
        raise SourceError("no more of this")

    with pytest.raises(SourceError, match="no more of this"):
        streams.download(regions.east.pool, "image", refuse)
    regions.east.pool.delete("image")


def test_a_missing_volume_is_reported(regions: Regions) -> None:
    with pytest.raises(ProviderError, match="no storage vol with matching name 'nothing'"):
        streams.digest_of_file(regions.east.pool, "nothing")


def test_many_streams_share_a_connection(regions: Regions) -> None:
    """More than the five calls that a host accepts from one client at the same time."""
    content = {f"image{number}": os.urandom(4 * MIB + number) for number in range(12)}
    digests: dict[str, ContentDigest] = {}

    def send(name: str) -> None:
        regions.east.pool.create(name, len(content[name]), "raw")
        parts = (content[name][at : at + streams.PIECE] for at in range(0, len(content[name]), streams.PIECE))
        streams.upload(regions.east.pool, name, parts)
        regions.west.pool.create(name, len(content[name]), "raw")
        streams.transfer(regions.east.pool, name, regions.west.pool, name)
        digests[name] = streams.digest_of_file(regions.west.pool, name)

    threads = [threading.Thread(target=send, args=[name]) for name in content]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == {name: digest_of(sent) for name, sent in content.items()}
