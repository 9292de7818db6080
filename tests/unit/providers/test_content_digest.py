"""Digests of two kinds: what is said of content that is known by one, the other or both."""

from __future__ import annotations

import pytest

from reconciler.providers.bound_sources import BoundSource, bound_to_plain, require_bound
from reconciler.providers.content_digest import GUEST, NO_DIGEST, SOURCE, ContentDigest
from reconciler.providers.errors import SourceError

TREE, OTHER_TREE = "tree-sha256:" + "a" * 64, "tree-sha256:" + "b" * 64
PLAIN, OTHER_PLAIN = "1" * 64, "2" * 64


@pytest.mark.parametrize(
    ("one", "other", "agrees", "comparable"),
    [
        (ContentDigest(TREE), ContentDigest(TREE), True, True),
        (ContentDigest(TREE), ContentDigest(OTHER_TREE), False, True),
        (ContentDigest(plain=PLAIN), ContentDigest(plain=PLAIN), True, True),
        (ContentDigest(plain=PLAIN), ContentDigest(plain=OTHER_PLAIN), False, True),
        (ContentDigest(TREE, PLAIN), ContentDigest(plain=PLAIN), True, True),
        (ContentDigest(TREE, PLAIN), ContentDigest(plain=OTHER_PLAIN), False, True),
        (ContentDigest(TREE), ContentDigest(plain=PLAIN), False, False),
        (ContentDigest(OTHER_TREE, PLAIN), ContentDigest(TREE, PLAIN), False, True),
        (NO_DIGEST, NO_DIGEST, False, False),
        (NO_DIGEST, ContentDigest(TREE, PLAIN), False, False),
    ],
)
def test_what_agrees(one: ContentDigest, other: ContentDigest, agrees: bool, comparable: bool) -> None:
    assert (one.agrees(other), other.agrees(one)) == (agrees, agrees)
    assert (one.comparable(other), other.comparable(one)) == (comparable, comparable)


@pytest.mark.parametrize(
    "digest", [NO_DIGEST, ContentDigest(TREE), ContentDigest(plain=PLAIN), ContentDigest(TREE, PLAIN)]
)
@pytest.mark.parametrize("of", ["", SOURCE, GUEST])
def test_facts_are_read_as_they_were_written(digest: ContentDigest, of: str) -> None:
    assert ContentDigest.in_facts(digest.facts(of), of) == digest
    assert digest.known is bool(digest.facts(of))
    assert ContentDigest.parse(digest.text).text == digest.text


def test_what_was_recorded_before_there_were_tree_digests_is_read() -> None:
    facts = {"sha256": PLAIN, "sourceSha256": OTHER_PLAIN, "contentSha256": PLAIN}
    assert ContentDigest.in_facts(facts) == ContentDigest(plain=PLAIN)
    assert ContentDigest.in_facts(facts, SOURCE) == ContentDigest(plain=OTHER_PLAIN)
    assert ContentDigest.in_facts(facts, GUEST) == ContentDigest(plain=PLAIN)
    assert ContentDigest.in_facts(facts).is_plain


@pytest.mark.parametrize(
    ("planned", "read", "refused"),
    [
        (TREE, {"digest": TREE}, False),
        (TREE, {"digest": OTHER_TREE}, True),
        (TREE, {"sha256": PLAIN}, True),
        (PLAIN, {"digest": TREE}, True),
        (PLAIN, {"digest": TREE, "sha256": PLAIN}, False),
        (PLAIN, {"digest": TREE, "sourceDigest": OTHER_TREE, "sourceSha256": PLAIN}, False),
        (TREE, {"digest": OTHER_TREE, "sourceDigest": TREE}, False),
        (TREE, {"size": 3}, False),
        ("", {"digest": TREE}, False),
    ],
)
def test_only_what_is_known_to_be_the_planned_content_passes(planned: str, read: dict[str, str], refused: bool) -> None:
    """What was read, and cannot be compared, is refused like other content."""
    bound = BoundSource("os", planned)
    assert bound_to_plain([bound]) is (planned == PLAIN)
    if not refused:
        require_bound([bound], {"os": read})
        return
    with pytest.raises(SourceError, match="is not the one that was planned"):
        require_bound([bound], {"os": read})
