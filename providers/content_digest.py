"""`ContentDigest`: what content is recognised by, and how digests of two kinds are compared.

The identity of content is its tree digest, which costs nothing for holes. What was recorded before there were tree
digests, and what a manifest pins, is a plain sha256 of all bytes. Both are compared where both are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TREE = "tree-sha256:"
"""The text of a tree digest begins with it, and so cannot be confused with a plain one. Hexadecimal digits follow."""

SOURCE, GUEST = "source", "content"
"""Beginnings of the names of further digests in the facts of a disk: of the whole source that it is a part of, and of
what a guest sees on it."""


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """Digests of one content: `tree`, the text of its tree digest, and `plain`, the sha256 of all its bytes in
    hexadecimal. Either is empty where nobody computed it; both are where the content is not known."""

    tree: str = ""
    plain: str = ""

    @classmethod
    def parse(cls, text: str) -> ContentDigest:
        """The digest whose `text` this is, of either kind."""
        return cls(tree=text) if text.startswith(TREE) else cls(plain=text)

    @classmethod
    def in_facts(cls, facts: Mapping[str, Any], of: str = "") -> ContentDigest:
        """What the recorded facts of a disk say of its bytes, or of SOURCE or GUEST."""
        tree, plain = _names(of)
        return cls(str(facts.get(tree) or ""), str(facts.get(plain) or ""))

    def facts(self, of: str = "") -> dict[str, str]:
        """The facts to record, under names that `in_facts` knows."""
        values = zip(_names(of), (self.tree, self.plain), strict=True)
        return {name: value for name, value in values if value}

    @property
    def text(self) -> str:
        """The identity: the tree digest, or the plain one where that is all that is known."""
        return self.tree or self.plain

    @property
    def is_plain(self) -> bool:
        """Whether only a plain sha256 is known, so that content must be read as one to be compared."""
        return bool(self.plain and not self.tree)

    @property
    def known(self) -> bool:
        """Whether there is any digest."""
        return bool(self.tree or self.plain)

    def agrees(self, other: ContentDigest) -> bool:
        """Whether both are of the same content; False also where they have no kind of digest in common."""
        if self.tree and other.tree:
            return self.tree == other.tree
        return bool(self.plain and self.plain == other.plain)

    def comparable(self, other: ContentDigest) -> bool:
        """Whether both have a kind of digest in common."""
        return bool((self.tree and other.tree) or (self.plain and other.plain))

    def like(self, other: ContentDigest) -> str:
        """The text of this digest in the kind that `other` has, to be shown beside it."""
        return self.plain if other.is_plain and self.plain else self.text


NO_DIGEST = ContentDigest()
"""Of content that is not known."""


def _names(of: str) -> tuple[str, str]:
    return (f"{of}Digest", f"{of}Sha256") if of else ("digest", "sha256")
