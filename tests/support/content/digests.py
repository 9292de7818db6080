"""Tree digests made the plain way, straight from the definition: all bytes at once, every block hashed."""

from __future__ import annotations

import struct
from hashlib import sha256
from pathlib import Path

from reconciler.providers.content_digest import ContentDigest

BLOCK, GROUP = 64 << 10, 16384


def block_digests(content: bytes) -> list[bytes]:
    """The digest of every block."""
    return [sha256(content[start : start + BLOCK]).digest() for start in range(0, len(content), BLOCK)]


def tree_digest(content: bytes) -> str:
    """The text of the tree digest of `content`."""
    blocks = block_digests(content)
    groups = [sha256(b"".join(blocks[start : start + GROUP])).digest() for start in range(0, len(blocks), GROUP)]
    head, length = b"tree-sha256\0" + struct.pack(">QQ", BLOCK, GROUP), struct.pack(">Q", len(content))
    return "tree-sha256:" + sha256(head + b"".join(groups) + length).hexdigest()


def digest_of(content: bytes, *, plain: bool = False) -> ContentDigest:
    """The digest of `content`, if `plain` with its sha256."""
    return ContentDigest(tree_digest(content), sha256(content).hexdigest() if plain else "")


def digest_of_path(path: Path) -> ContentDigest:
    """The digest of a file."""
    return digest_of(path.read_bytes())
