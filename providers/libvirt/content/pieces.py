"""Content on its way, in order, as pieces: bytes, or a Hole; and what takes them."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

_PIECES_AHEAD = 16
_ZEROS = memoryview(bytes(1 << 20))
Advance = Callable[[int], None]
"""Told the bytes gone through since the last call, holes included."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch of zeros that nobody stored."""

    length: int


Piece = bytes | Hole
Sink = Callable[[Piece], None]
"""Takes the pieces of one content, in order."""


def length_of(piece: Piece) -> int:
    return piece.length if isinstance(piece, Hole) else len(piece)


@contextmanager
def behind(sink: Sink) -> Iterator[Sink]:
    """A sink that gives each piece to `sink` in another thread, while the next one is fetched; it has all of them when
    the block ends. Raises: what `sink` raises, some pieces later."""
    given: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="pieces") as thread:

        def give(piece: Piece) -> None:
            if len(given) >= _PIECES_AHEAD:
                given.popleft().result()
            given.append(thread.submit(sink, piece))

        yield give
        for future in given:
            future.result()


class Digest:
    """The sha256 of the pieces it is given; a hole counts as the zeros that it is."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, piece: Piece) -> None:
        if isinstance(piece, Hole):
            for start in range(0, piece.length, len(_ZEROS)):
                self._hash.update(_ZEROS[: piece.length - start])
        else:
            self._hash.update(piece)

    def __str__(self) -> str:
        """In hexadecimal."""
        return self._hash.hexdigest()


def digest_of(pieces: Iterable[Piece], advance: Advance | None = None) -> str:
    """The sha256 of all pieces, in hexadecimal. Raises: what `pieces` raises."""
    digest = Digest()
    with behind(digest.add) as sink:
        for piece in pieces:
            sink(piece)
            if advance:
                advance(length_of(piece))
    return str(digest)
