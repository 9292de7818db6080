"""Tree digests: the same bytes have the same digest however they come, and other bytes have another."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.content.digests import BLOCK, GROUP, block_digests, digest_of, tree_digest

from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.tree_digest import Digester, TreeDigest, combined

TIB = 1 << 40
NOTHING = "tree-sha256:cd4e394ebec88d8025ae0b87a0b8683f6afa131f3b35fc2f3f3bf4a61dfad3d5"
SMALL = "tree-sha256:169735d955eb7cb5b4205dde48db4fa0780d12914d1c1aa40793382a5eb6a9fd"
LARGE = "tree-sha256:764fdd77545b788172d5a14480acff1d7c448a4d859e3811901170f9c1ced002"
Runs = list[tuple[bool, int]]
"""(whether it is data, its length), in the order of the content."""

lengths = st.one_of(st.integers(0, 1000), st.integers(1, 5).map(lambda n: n * BLOCK), st.integers(0, 5 * BLOCK))
layouts = st.lists(st.tuples(st.booleans(), lengths), max_size=8)


def content_of(runs: Runs) -> bytes:
    """Data without a zero byte, and zeros for holes."""
    return b"".join(
        bytes([number % 255 + 1]) * length if data else bytes(length) for number, (data, length) in enumerate(runs)
    )


def in_pieces(content: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    return [content[start:end] for start, end in pairwise(places)]


def digest(pieces: list[bytes], *, holes: bool, executor: ThreadPoolExecutor | None = None) -> ContentDigest:
    """`holes`: pieces of zeros are added as holes."""
    digester = Digester(plain=True, executor=executor)
    for piece in pieces:
        if holes and not any(piece):
            digester.hole(len(piece))
        else:
            digester.data(piece)
    return digester.result()


@given(runs=layouts, cuts=st.lists(st.integers(0, 40 * BLOCK), max_size=12), holes=st.booleans(), shared=st.booleans())
@settings(deadline=None)
def test_the_same_bytes_have_the_same_digest_however_they_come(
    runs: Runs, cuts: list[int], holes: bool, shared: bool
) -> None:
    content = content_of(runs)
    with ThreadPoolExecutor(2) as executor:
        found = digest(in_pieces(content, cuts), holes=holes, executor=executor if shared else None)
    assert found == digest_of(content, plain=True)


@given(runs=layouts.filter(lambda runs: any(length for _, length in runs)), where=st.integers(0), bit=st.integers(0, 7))
@settings(deadline=None)
def test_one_changed_bit_is_another_digest(runs: Runs, where: int, bit: int) -> None:
    content = bytearray(content_of(runs))
    before = digest([bytes(content)], holes=True)
    content[where % len(content)] ^= 1 << bit
    after = digest([bytes(content)], holes=True)
    assert after.tree != before.tree
    assert not after.agrees(before)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 7])
def test_every_length_of_zeros_has_a_digest_of_its_own(size: int) -> None:
    """Neither is a shorter content that of a longer one with zeros after it, nor with the last byte cut off."""
    around = {tree_digest(bytes(length)) for length in (size, size + 1, size + BLOCK, 2 * size + 2)}
    assert len(around) == 4
    found = TreeDigest()
    found.hole(size)
    assert found.text() == tree_digest(bytes(size))


def test_the_order_of_blocks_counts() -> None:
    first, second = b"a" * BLOCK, b"b" * BLOCK
    assert digest([first, second], holes=True).tree != digest([second, first], holes=True).tree
    assert digest([first, bytes(BLOCK)], holes=True).tree != digest([bytes(BLOCK), first], holes=True).tree


def test_a_digest_of_blocks_is_not_that_of_their_digests() -> None:
    content = os.urandom(2 * BLOCK)
    inner = b"".join(block_digests(content))
    assert digest([content], holes=False).tree != digest([inner], holes=False).tree


def test_groups_of_zeros_are_those_that_are_hashed_block_by_block() -> None:
    """A hole that begins and ends within groups, and covers a whole one."""
    content = (b"x" * BLOCK, GROUP // 2, 2 * GROUP + 3)
    found, expected = TreeDigest(), TreeDigest()
    for tree in (found, expected):
        tree.data(content[0])
    found.hole(sum(content[1:]) * BLOCK)
    for _ in range(sum(content[1:])):
        expected.hole(BLOCK)
    for tree in (found, expected):
        tree.data(b"y")
    assert found.text() == expected.text()


def test_zeros_that_are_data_cross_the_end_of_a_group_as_a_hole_does() -> None:
    stored, hole = TreeDigest(), TreeDigest()
    for tree in (stored, hole):
        tree.hole((GROUP - 2) * BLOCK)
    stored.data(bytes(5 * BLOCK))
    hole.hole(5 * BLOCK)
    assert stored.text() == hole.text()


def test_the_digest_is_what_it_has_always_been() -> None:
    """Published content is recognised by it: these texts must never change."""
    assert tree_digest(b"") == NOTHING
    assert tree_digest(b"reconciler") == SMALL
    found = TreeDigest()
    found.hole(TIB)
    found.data(b"end")
    assert found.text() == LARGE


def test_a_hole_of_any_size_is_hashed_by_groups() -> None:
    """A hole of 2 TiB takes as many calls as its groups are, in one: nothing is counted byte by byte."""
    taken: list[tuple[bytes, int]] = []
    tree = TreeDigest(blocks=lambda digests, times: taken.append((digests, times)))
    tree.hole(2 * TIB)
    tree.text()
    assert taken == [(hashlib.sha256(bytes(BLOCK)).digest(), 2 * TIB // BLOCK)]


def test_the_digests_of_all_blocks_can_be_had() -> None:
    """Run-length coded, in order, and the last block as short as it is."""
    content = os.urandom(2 * BLOCK) + bytes(3 * BLOCK) + os.urandom(100)
    taken: list[bytes] = []
    tree = TreeDigest(blocks=lambda digests, times: taken.append(digests * times))
    tree.data(content[: 2 * BLOCK])
    tree.hole(3 * BLOCK)
    tree.data(content[5 * BLOCK :])
    assert tree.text() == tree_digest(content)
    assert b"".join(taken) == b"".join(block_digests(content))


@given(runs=layouts, offset=st.integers(0, 3000))
@settings(deadline=None, max_examples=40)
def test_a_file_has_the_digest_of_its_bytes_whatever_is_stored(
    tmp_path_factory: pytest.TempPathFactory, runs: Runs, offset: int
) -> None:
    path = tmp_path_factory.mktemp("files") / "image"
    content, position = content_of(runs), offset
    with path.open("wb") as file:
        for data, length in runs:
            if data:
                file.seek(position)
                file.write(content[position - offset :][:length])
            position += length
        file.truncate(offset + len(content))
    found = digest_extent(Extent(str(path), offset, len(content), "image"), plain=True)
    assert found == digest_of(content, plain=True)


def test_several_disks_have_one_digest_of_each_kind_that_all_have() -> None:
    first, second = digest_of(b"a", plain=True), digest_of(b"b", plain=True)
    assert combined([first]) == first
    both = combined([first, second])
    assert both.tree.startswith("tree-sha256:")
    assert both.plain == hashlib.sha256(f"{first.plain}\n{second.plain}".encode()).hexdigest()
    assert both != combined([second, first])
    assert combined([first, ContentDigest(second.tree)]) == ContentDigest(both.tree)
    assert combined([first, ContentDigest(plain=second.plain)]) == ContentDigest(plain=both.plain)
