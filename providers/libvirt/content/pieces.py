"""Streamed content as pieces in order, bytes or holes, and the functions that take them."""

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
    """The sha256 of the pieces added to it; a hole counts as zeros."""

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
    with in_background(digest.add) as sink:
        for piece in pieces:
            sink(piece)
            if advance:
                advance(length_of(piece))
    return str(digest)
