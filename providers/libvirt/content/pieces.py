"""Streamed content as pieces in order, bytes or holes, and the functions that take them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.image_files.tree_digest import Digester

_PIECES_AHEAD = 16
Advance = Callable[[int], None]
"""Called with the number of bytes since the last call, holes included."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A range of zeros that is not stored."""

    length: int


Piece = bytes | Hole
Sink = Callable[[Piece], None]
"""Takes the pieces of one stream, in order."""


def length_of(piece: Piece) -> int:
    """In bytes."""
    return piece.length if isinstance(piece, Hole) else len(piece)


@contextmanager
def in_background(sink: Sink) -> Iterator[Sink]:
    """A sink that passes each piece to `sink` in another thread while the next one is fetched. `sink` has taken all of
    them when the block ends. Raises: what `sink` raises, some pieces later."""
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="pieces") as thread:

        def submit(piece: Piece) -> None:
            if len(pending) >= _PIECES_AHEAD:
                pending.popleft().result()
            pending.append(thread.submit(sink, piece))

        yield submit
        for future in pending:
            future.result()


class Digest:
    """The digest of the pieces added to it, if `plain` with the sha256 of all their bytes; a hole counts as zeros."""

    def __init__(self, *, plain: bool = False) -> None:
        self._digester = Digester(plain=plain)

    def add(self, piece: Piece) -> None:
        if isinstance(piece, Hole):
            self._digester.hole(piece.length)
        else:
            self._digester.data(piece)

    def result(self) -> ContentDigest:
        """The digest of all pieces; none can be added afterwards."""
        return self._digester.result()


def digest_of(pieces: Iterable[Piece], advance: Advance | None = None, *, plain: bool = False) -> ContentDigest:
    """The digest of all pieces, if `plain` with the sha256 of all their bytes. Raises: what `pieces` raises."""
    digest = Digest(plain=plain)
    with in_background(digest.add) as sink:
        for piece in pieces:
            sink(piece)
            if advance:
                advance(length_of(piece))
    return digest.result()
