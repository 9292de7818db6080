"""`Piece`: where a part of a disk is; and tables of one entry per block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

_MOST_UNPACKED = 128 << 20


class Unmapped(Exception):
    """The image is in order, but its blocks cannot be read here; `str` says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """`length` bytes of a disk from some place on, to the end of its block: at `offset` in the image, or `content`, or
    neither for zeros."""

    length: int
    offset: int | None = None
    content: bytes | None = None


Locate = Callable[[int], Piece]
"""The piece that begins at a position of the disk."""


def in_blocks(size: int, place: Callable[[int], int | None]) -> Locate:
    """The pieces of a disk of blocks of `size` bytes; `place` is the offset of a block, None for zeros."""

    def locate(position: int) -> Piece:
        number, within = divmod(position, size)
        offset = place(number)
        return Piece(size - within, None if offset is None else offset + within)

    return locate


class Unpacking:
    """The blocks of one image that are unpacked: the last one is kept, and all of them are 128 MiB at most."""

    def __init__(self) -> None:
        self._left = _MOST_UNPACKED
        self._last: tuple[int, bytes] | None = None

    def block(self, key: int, unpack: Callable[[], bytes]) -> bytes:
        """The content of the block `key`, from `unpack` unless it was the last one. Raises: Unmapped; as `unpack`."""
        if self._last is None or self._last[0] != key:
            if self._left <= 0:
                raise Unmapped("more of its disk is compressed than is read here")
            self._last = (key, unpack())
            self._left -= len(self._last[1])
        return self._last[1]


def compressed_with(name: str) -> NoReturn:
    """Raises: Unmapped."""
    raise Unmapped(f"its disk is compressed with {name}, which is only read when it is converted")
