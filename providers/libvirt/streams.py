"""Content of volumes on its way: out of a volume, into one, and from host to host through this process, with holes kept
and no file in between.

What moves are the bytes of the volume's file, in order, as pieces: bytes, or a Hole. A stream that is cut, or that ends
too early, is Unavailable: what it brought is worthless.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import libvirt

from providers.errors import Unavailable
from providers.image_files.extents import Extent, changed, opened, pieces
from providers.libvirt.failures import explained
from providers.libvirt.pools import Pool, taken_in_part

PIECE: int = libvirt.virStorageVol.streamBufSize
"""The most that one message of libvirt's protocol carries."""

_AT_A_HOLE = -3
_PIECES_AHEAD = 16
_ZEROS = bytes(1 << 20)
_NO_DATA = bytes(PIECE)
Advance = Callable[[int], None]
"""Told the bytes gone through since the last call, holes included."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch of zeros that nobody stored."""

    length: int


Piece = bytes | Hole
Sink = Callable[[Piece], None]
"""Takes the pieces of one content, in order."""


@dataclass(slots=True)
class _Tail:
    """The last piece sent that is not zeros, and where it begins. The host writes in order and stops at the first
    failure, of which it may not tell: where this piece is, there is all that was sent before it."""

    content: bytes = b""
    start: int = 0
    end: int = 0

    def add(self, piece: Piece) -> None:
        if not isinstance(piece, Hole) and piece != (_NO_DATA if len(piece) == PIECE else bytes(len(piece))):
            self.content, self.start = piece, self.end
        self.end += length_of(piece)


class Hasher(Protocol):
    def update(self, data: bytes, /) -> None: ...


def download(pool: Pool, name: str, sink: Sink, advance: Advance | None = None) -> int:
    """Gives all of a volume to `sink` and returns its length. Raises: Unavailable; what `sink` raises."""
    with pool.asking_volume(name, "reading") as volume:
        length = int(volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2])
        stream = volume.connect().newStream(0)
        volume.download(stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        with _ended(stream):
            done = 0
            for piece in _received(stream):
                sink(piece)
                done += length_of(piece)
                if advance:
                    advance(length_of(piece))
    if done != length:
        raise Unavailable(
            f"{pool}: the volume '{name}' ended after {done} of {length} bytes", "apply again when nobody writes to it"
        )
    return length


def sha256_of(pool: Pool, name: str, advance: Advance | None = None) -> str:
    """The sha256, in hexadecimal, of all bytes of a volume's file. Raises: Unavailable."""
    digest = hashlib.sha256()
    with _behind(hashing(digest)) as sink:
        download(pool, name, sink, advance)
    return digest.hexdigest()


def upload(pool: Pool, name: str, source: Iterable[Piece], advance: Advance | None = None) -> str:
    """Fills an empty raw volume with the pieces of `source`, and returns their sha256 in hexadecimal.

    Raises: Unavailable; ProviderError when the pool is full; what `source` raises.
    """
    digest = hashlib.sha256()
    with uploading(pool, name) as into, _behind(hashing(digest), into) as sink:
        for piece in source:
            sink(piece)
            if advance:
                advance(length_of(piece))
    return digest.hexdigest()


def transfer(source: Pool, source_name: str, target: Pool, name: str, advance: Advance | None = None) -> str:
    """Fills an empty raw volume with the content of another, on whatever host, and returns the sha256 of what went
    through, in hexadecimal. Raises: as download and upload."""
    digest = hashlib.sha256()
    with uploading(target, name) as into, _behind(hashing(digest), into) as sink:
        download(source, source_name, sink, advance)
    return digest.hexdigest()


@contextmanager
def uploading(pool: Pool, name: str) -> Iterator[Sink]:
    """A sink that fills an empty raw volume; the host has taken everything when the block ends. Raises: as upload."""
    with pool.asking_volume_apart(name, "writing") as (volume, handle):
        stream = handle.newStream(0)
        volume.upload(stream, 0, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)

        tail = _Tail()

        def send(piece: Piece) -> None:
            tail.add(piece)
            try:
                if isinstance(piece, Hole):
                    stream.sendHole(piece.length, 0)
                else:
                    stream.send(piece)
            except libvirt.libvirtError as error:  # here, as it may pass through the reading of another host's volume
                doing = f"pool '{pool.name}': writing the volume '{name}'"
                raise explained(error, doing, pool.connection.name, lost=not handle.isAlive()) from error

        with _ended(stream):
            yield send
    if tail.content and pool.read(name, len(tail.content), tail.start) != tail.content:
        raise taken_in_part(pool, name)


def pieces_of(extent: Extent) -> Iterator[Piece]:
    """The content of a local file, or of a part of one. Raises: SourceError when it changes meanwhile."""
    with opened(extent) as fd:
        for start, length, is_data in pieces(fd, extent, PIECE):
            if not is_data:
                yield Hole(length)
                continue
            content = os.pread(fd, length, start)
            if len(content) != length:
                raise changed(extent)
            yield content


def length_of(piece: Piece) -> int:
    return piece.length if isinstance(piece, Hole) else len(piece)


def hashing(digest: Hasher) -> Sink:
    """A sink that a digest is made of: a hole counts as the zeros that it is."""

    def update(piece: Piece) -> None:
        if isinstance(piece, Hole):
            for start in range(0, piece.length, len(_ZEROS)):
                digest.update(_ZEROS[: piece.length - start])
        else:
            digest.update(piece)

    return update


def _received(stream: libvirt.virStream) -> Iterator[Piece]:
    while True:
        got = stream.recvFlags(PIECE, libvirt.VIR_STREAM_RECV_STOP_AT_HOLE)
        if got == _AT_A_HOLE:
            yield Hole(stream.recvHole(0))
        elif isinstance(got, bytes) and got:
            yield got
        else:
            return


@contextmanager
def _ended(stream: libvirt.virStream) -> Iterator[None]:
    """Finishes the stream after the block, or aborts it when the block failed."""
    try:
        yield
    except BaseException:
        with suppress(libvirt.libvirtError):  # a stream that is dead already: what killed it is being told
            stream.abort()
        raise
    stream.finish()


@contextmanager
def _behind(*sinks: Sink) -> Iterator[Sink]:
    """A sink that gives each piece to `sinks` in another thread, while the next one is fetched; all have them when the
    block ends. Raises: what a sink raises, some pieces later."""

    def give_all(piece: Piece) -> None:
        for sink in sinks:
            sink(piece)

    given: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="stream") as thread:

        def give(piece: Piece) -> None:
            if len(given) >= _PIECES_AHEAD:
                given.popleft().result()
            given.append(thread.submit(give_all, piece))

        yield give
        for future in given:
            future.result()
