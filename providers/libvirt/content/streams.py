"""Streams of volume content: out of a volume, into one, and from host to host through this process, with holes kept
and no file in between.

A stream carries the bytes of the volume's file in order. One that breaks or ends early raises Unavailable: what it
delivered is worthless.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import libvirt

from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import Unavailable
from reconciler.providers.image_files.extents import Extent, changed, opened, pieces
from reconciler.providers.libvirt.content.pieces import Advance, Digest, Hole, Piece, Sink, in_background, length_of
from reconciler.providers.libvirt.host.failures import explained
from reconciler.providers.libvirt.host.pools import Pool, partly_written

PIECE: int = libvirt.virStorageVol.streamBufSize
"""The most bytes that one message of libvirt's protocol carries."""

_AT_A_HOLE = -3
_NO_DATA = bytes(PIECE)


@dataclass(slots=True)
class _Tail:
    """The last piece sent that is not zeros, and where it begins. The host writes in order and stops at the first
    failure, which it may not report: if this piece arrived, so did everything before it."""

    content: bytes = b""
    start: int = 0
    end: int = 0

    def add(self, piece: Piece) -> None:
        if not isinstance(piece, Hole) and piece != (_NO_DATA if len(piece) == PIECE else bytes(len(piece))):
            self.content, self.start = piece, self.end
        self.end += length_of(piece)


def download(pool: Pool, name: str, sink: Sink, advance: Advance | None = None) -> int:
    """Passes all of a volume to `sink` and returns its length. Raises: Unavailable; what `sink` raises."""
    with pool.asking_volume(name, "reading") as volume:
        length = int(volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2])
        stream = volume.connect().newStream(0)
        volume.download(stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        with _finishing(stream):
            done = 0
            for piece in _received(stream):
                sink(piece)
                done += length_of(piece)
                if advance:
                    advance(length_of(piece))
    if done != length:
        raise Unavailable(
            f"{pool}: the volume '{name}' ended after {done} of {length} bytes", "apply again when nothing writes to it"
        )
    return length


def digest_of_file(pool: Pool, name: str, advance: Advance | None = None, *, plain: bool = False) -> ContentDigest:
    """The digest of a volume's file, if `plain` with the sha256 of all its bytes; its holes are not transferred.

    Raises: Unavailable.
    """
    digest = Digest(plain=plain)
    with in_background(digest.add) as sink:
        download(pool, name, sink, advance)
    return digest.result()


def stretch(pool: Pool, name: str, position: int, length: int) -> Iterator[bytes]:
    """The bytes of a part of a volume's file, which must be long enough. Raises: Unavailable."""
    with pool.asking_volume(name, "reading") as volume:
        stream = volume.connect().newStream(0)
        volume.download(stream, position, length, 0)
        with _finishing(stream):
            yield from iter(lambda: stream.recv(PIECE), b"")


def upload(pool: Pool, name: str, source: Iterable[Piece], advance: Advance | None = None) -> None:
    """Fills an empty raw volume with the pieces of `source`.

    Raises: Unavailable; ProviderError if the pool is full; what `source` raises.
    """
    with uploading(pool, name) as into, in_background(into) as sink:
        for piece in source:
            sink(piece)
            if advance:
                advance(length_of(piece))


def transfer(source: Pool, source_name: str, target: Pool, name: str, advance: Advance | None = None) -> None:
    """Fills an empty raw volume with the content of another, on any host. Raises: as download and upload."""
    with uploading(target, name) as into, in_background(into) as sink:
        download(source, source_name, sink, advance)


@contextmanager
def uploading(pool: Pool, name: str) -> Iterator[Sink]:
    """A sink that fills an empty raw volume; the host has everything when the block ends. Raises: as upload."""
    with pool.asking_volume_apart(name, "writing") as (volume, handle):
        stream = handle.newStream(0)
        pool.require_lease()
        volume.upload(stream, 0, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)

        tail = _Tail()

        def send(piece: Piece) -> None:
            tail.add(piece)
            pool.require_lease()
            try:
                if isinstance(piece, Hole):
                    stream.sendHole(piece.length, 0)
                else:
                    stream.send(piece)
            except libvirt.libvirtError as error:  # here: code that reads from another host may be in between
                doing = f"pool '{pool.name}': writing the volume '{name}'"
                raise explained(error, doing, pool.connection.name, lost=not handle.isAlive()) from error

        with _finishing(stream):
            yield send
    if tail.content and pool.read(name, len(tail.content), tail.start) != tail.content:
        raise partly_written(pool, name)


def pieces_of(extent: Extent) -> Iterator[Piece]:
    """The content of a local file, or of a part of one. Raises: SourceError if it changes meanwhile."""
    with opened(extent) as fd:
        for start, length, is_data in pieces(fd, extent, PIECE):
            if not is_data:
                yield Hole(length)
                continue
            content = os.pread(fd, length, start)
            if len(content) != length:
                raise changed(extent)
            yield content


def _received(stream: libvirt.virStream) -> Iterator[Piece]:
    while True:
        received = stream.recvFlags(PIECE, libvirt.VIR_STREAM_RECV_STOP_AT_HOLE)
        if received == _AT_A_HOLE:
            yield Hole(stream.recvHole(0))
        elif isinstance(received, bytes) and received:
            yield received
        else:
            return


@contextmanager
def _finishing(stream: libvirt.virStream) -> Iterator[None]:
    """Finishes the stream after the block, or aborts it if the block fails."""
    try:
        yield
    except BaseException:
        with suppress(libvirt.libvirtError):  # already dead: the error that killed it is being raised
            stream.abort()
        raise
    stream.finish()
