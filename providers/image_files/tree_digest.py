"""The tree digest: the identity of content, the same for the same bytes however they are stored, at the cost of the
data alone. docs/contributing/tree-digest.md defines it.

Blocks of 64 KiB are hashed each by itself, 16,384 of them make a group, and the root covers the groups and the length.
A block of zeros has one digest, and so has a group of them: whoever knows where the holes are need not read them.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from concurrent.futures import Executor
from functools import cache
from hashlib import sha256

from reconciler.providers.content_digest import TREE, ContentDigest

BLOCK = 64 << 10
"""Bytes that have a digest of their own; the last block may be shorter."""
GROUP = 16384
"""Blocks in a group (1 GiB); the last group may have fewer."""

_HEAD = b"tree-sha256\0" + struct.pack(">QQ", BLOCK, GROUP)
_SIZE = sha256().digest_size
_ZEROS = memoryview(bytes(BLOCK))
_ZERO_BLOCK = sha256(_ZEROS).digest()
_WORTH_SHARING = 8 * BLOCK
"""Bytes: half of as many are hashed sooner in another thread than in this one."""

Buffer = bytes | bytearray | memoryview
TakeBlocks = Callable[[bytes, int], None]
"""Gets the digests of blocks that follow each other, as one string of 32 bytes each, and how many times in a row."""


class TreeDigest:
    """Computes a tree digest from data and holes in the order of the content, in pieces of any length."""

    def __init__(self, executor: Executor | None = None, blocks: TakeBlocks | None = None) -> None:
        """`executor` has a thread to share the work with. `blocks` gets the digest of every block, in order."""
        self._executor = executor
        self._take = blocks
        self._length = 0
        self._open = sha256()
        self._filled = 0
        self._group = sha256()
        self._in_group = 0
        self._root = sha256(_HEAD)

    def data(self, piece: Buffer) -> None:
        """Adds bytes. Those that are zeros count as a hole would."""
        view = memoryview(piece)
        self._length += len(view)
        view = view[self._continue(view, len(view)) :]
        whole = len(view) // BLOCK * BLOCK
        if whole:
            self._add(self._digests(view[:whole]))
        if whole < len(view):
            self._begin(view[whole:])

    def hole(self, length: int) -> None:
        """Adds `length` zeros."""
        self._length += length
        length -= self._continue(_ZEROS, length)
        if length >= BLOCK:
            self._add_zeros(length // BLOCK)
        if length % BLOCK:
            self._begin(_ZEROS[: length % BLOCK])

    def text(self) -> str:
        """The digest of all that was added; nothing can be added afterwards."""
        if self._filled:
            self._add(self._open.digest())
            self._filled = 0
        if self._in_group:
            self._end_group()
        self._root.update(struct.pack(">Q", self._length))
        return TREE + self._root.hexdigest()

    def _begin(self, part: memoryview) -> None:
        self._open, self._filled = sha256(part), len(part)

    def _continue(self, view: memoryview, length: int) -> int:
        """Adds to the block that is not full yet, if there is one; returns how many of `length` bytes it took."""
        if not self._filled:
            return 0
        taken = min(BLOCK - self._filled, length)
        self._open.update(view[:taken])
        self._filled += taken
        if self._filled == BLOCK:
            self._filled = 0
            self._add(self._open.digest())
        return taken

    def _digests(self, blocks: memoryview) -> bytes:
        """The digests of whole blocks, half of them computed by the executor."""
        if self._executor is None or len(blocks) < _WORTH_SHARING:
            return _digests_of(blocks)
        half = len(blocks) // BLOCK // 2 * BLOCK
        rest = self._executor.submit(_digests_of, blocks[half:])
        return _digests_of(blocks[:half]) + rest.result()

    def _add(self, digests: bytes) -> None:
        if self._take:
            self._take(digests, 1)
        while digests:
            part = digests[: (GROUP - self._in_group) * _SIZE]
            digests = digests[len(part) :]
            self._add_to_group(part)

    def _add_zeros(self, count: int) -> None:
        if self._take:
            self._take(_ZERO_BLOCK, count)
        if self._in_group:
            rest = min(count, GROUP - self._in_group)
            self._add_to_group(_ZERO_BLOCK * rest)
            count -= rest
        self._root.update(_zero_group() * (count // GROUP) if count >= GROUP else b"")
        if count % GROUP:
            self._add_to_group(_ZERO_BLOCK * (count % GROUP))

    def _add_to_group(self, digests: bytes) -> None:
        self._group.update(digests)
        self._in_group += len(digests) // _SIZE
        if self._in_group == GROUP:
            self._end_group()

    def _end_group(self) -> None:
        self._root.update(self._group.digest())
        self._group, self._in_group = sha256(), 0


class Digester:
    """Computes the digests of content from its data and holes in order: the tree digest, and if `plain` also the
    sha256 of all bytes."""

    def __init__(self, *, plain: bool = False, executor: Executor | None = None) -> None:
        self._tree = TreeDigest(executor)
        self._plain = sha256() if plain else None
        self._executor = executor

    def data(self, piece: Buffer) -> None:
        """Adds bytes."""
        if self._plain is not None and self._executor is not None:
            other = self._executor.submit(self._plain.update, piece)
            self._tree.data(piece)
            other.result()
            return
        if self._plain is not None:
            self._plain.update(piece)
        self._tree.data(piece)

    def hole(self, length: int) -> None:
        """Adds `length` zeros."""
        self._tree.hole(length)
        if self._plain is not None:
            _add_zeros(self._plain, length)

    def result(self) -> ContentDigest:
        """The digests of all that was added; nothing can be added afterwards."""
        return ContentDigest(self._tree.text(), self._plain.hexdigest() if self._plain else "")


def combined(digests: list[ContentDigest]) -> ContentDigest:
    """The digest of a source with several disks, from those of the disks; that of its only disk if there is one."""
    if len(digests) == 1:
        return digests[0]
    trees, plains = [digest.tree for digest in digests], [digest.plain for digest in digests]
    return ContentDigest(
        TREE + _digest_of_lines(trees) if all(trees) else "", _digest_of_lines(plains) if all(plains) else ""
    )


def _digest_of_lines(lines: list[str]) -> str:
    return sha256("\n".join(lines).encode()).hexdigest()


def _digests_of(blocks: memoryview) -> bytes:
    return b"".join([sha256(blocks[start : start + BLOCK]).digest() for start in range(0, len(blocks), BLOCK)])


def _add_zeros(hasher: hashlib._Hash, length: int) -> None:
    zeros = _many_zeros()
    for start in range(0, length, len(zeros)):
        hasher.update(zeros[: length - start])


@cache
def _many_zeros() -> memoryview:
    return memoryview(bytes(1 << 20))


@cache
def _zero_group() -> bytes:
    return sha256(_ZERO_BLOCK * GROUP).digest()
