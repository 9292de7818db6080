"""Metadata survives in tags, and as much as possible of it when others edit the tags."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.azure.service.tag_metadata import (
    LONGEST_VALUE,
    MOST_TAGS,
    TagMetadata,
    from_tags,
    tagged,
    to_tags,
)
from reconciler.providers.errors import ProviderError
from reconciler.providers.owner import OwnerMark

OWNER = OwnerMark("5f1d2c3b-aaaa-bbbb-cccc-000000000001", Address("corp", "ubuntu", "1.0.3"))

words = st.frozensets(st.text('aZ.9 é漢"\\<%&?/', min_size=1, max_size=300), max_size=5)
json_objects = st.dictionaries(st.text(max_size=5), st.text(max_size=400) | st.integers(), min_size=1, max_size=4)
canonical = json_objects.map(canonical_json)
names = st.text("abc.-_9", min_size=1, max_size=12).map(lambda name: f"n{name}")
addresses = st.tuples(names, names, st.sampled_from(["1.0.0", "2.0.10"])).map(lambda parts: Address(*parts))
seals = st.text("0123456789abcdef", min_size=32, max_size=32)
metadata = st.builds(
    TagMetadata,
    owner=st.builds(OwnerMark, st.uuids().map(str), addresses, st.just("") | seals),
    declared=words,
    source=st.just("") | canonical,
    computed=st.just("{}") | canonical,
    regions=st.frozensets(names, max_size=60),
    security=st.just("") | st.text("0123456789abcdef", min_size=32, max_size=32),
    spellings=words,
    fence=st.integers(0, 10**18 - 1),
    protected=st.booleans(),
)
own_tags = st.dictionaries(st.text("xyZ -.", min_size=1, max_size=8), st.text(max_size=20), max_size=4).filter(
    lambda found: len({name.lower() for name in found}) == len(found)
)


@settings(deadline=None)
@given(metadata, own_tags, st.randoms(use_true_random=False))
def test_marks_come_back_from_tags_in_any_order_and_case(
    planned: TagMetadata, own: dict[str, str], chance: Random
) -> None:
    planned = replace(planned, spellings=planned.spellings | frozenset(own))
    tags = tagged(own, planned)
    answered = {
        chance.choice([name, name.upper(), name.title()]): tags[name] for name in chance.sample([*tags], len(tags))
    }
    found, theirs = from_tags(answered)
    assert found == planned
    assert found.fence == planned.fence
    assert theirs == {planned.as_planned(name): value for name, value in own.items()}
    assert to_tags(found) == to_tags(planned)


@settings(deadline=None)
@given(metadata)
def test_tags_are_within_the_limits_of_azure(planned: TagMetadata) -> None:
    for name, value in to_tags(planned).items():
        assert re.fullmatch(r"reconciler-[a-z]+(-\d+)?", name)
        assert 0 < len(value) <= LONGEST_VALUE
        assert value.isascii()


def test_what_is_packed_has_none_of_the_characters_that_azure_refuses_in_places() -> None:
    packed = [value for name, value in to_tags(large(64)).items() if not name.endswith("owner")]
    assert len(packed) > 20
    assert not set("<>%&\\?/") & set("".join(packed))


def test_the_longest_mark_is_within_the_limit() -> None:
    address = Address("g" * 80, "d" * 80, ".".join(["2147483647"] * 3))
    mark = OwnerMark(OWNER.lineage, address, "f" * 32)
    tags = to_tags(TagMetadata(mark, fence=10**18 - 1, protected=True))
    assert tags.keys() == {"reconciler-owner", "reconciler-seal"}
    assert all(len(value) <= LONGEST_VALUE for value in tags.values())
    assert from_tags(tags)[0].owner == mark


@pytest.mark.parametrize(
    "text", ["x", "7", "7 ", "seven abc", "7 xyz", f"7 {'f' * 65}", "7 abc protect", "protected", "-1 -"]
)
def test_a_seal_that_somebody_typed_is_nobodys_and_protects(text: str) -> None:
    owner = f"{OWNER.lineage} {OWNER.address}"
    found, _ = from_tags({"reconciler-owner": owner, "reconciler-seal": text})
    assert found.owner is not None
    assert found.owner.seal
    assert found.protected
    assert found.fence == 0


def test_the_owner_mark_is_readable() -> None:
    tags = to_tags(TagMetadata(OWNER, regions=frozenset({"westus", "eastus"}), source='{"source":{"file":"a.vhd"}}'))
    assert tags == {
        "reconciler-owner": "5f1d2c3b-aaaa-bbbb-cccc-000000000001 corp/ubuntu/1.0.3",
        "reconciler-regions-0": "=eastus westus",
        "reconciler-source-0": '={"source":{"file":"a.vhd"}}',
    }
    sealed = replace(OWNER, seal="ab12")
    assert to_tags(TagMetadata(sealed, fence=7, protected=True))["reconciler-seal"] == "7 ab12 protected"
    assert to_tags(TagMetadata(OWNER, protected=True))["reconciler-seal"] == "0 - protected"
    assert to_tags(TagMetadata()) == {}
    assert from_tags({}) == (TagMetadata(), {})


def large(disks: int) -> TagMetadata:
    """A version with a source, and two digests for each disk that do not compress."""
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(2 * disks)]
    sources = {str(lun): {"source": {"file": f"images/data-{lun}.vhd"}, "hostCaching": "None"} for lun in range(disks)}
    computed = {
        f"data-{lun}": {"sha256": digests[2 * lun], "source": digests[2 * lun + 1], "size": lun << 30}
        for lun in range(disks)
    }
    return TagMetadata(
        OWNER,
        source=canonical_json({"source": {"file": "images/os.vhd"}, "dataDisks": sources}),
        computed=canonical_json({"disks": computed}),
        regions=frozenset(f"region{number}" for number in range(40)),
        declared=frozenset(f"targetRegions.region{number}.storageAccountType" for number in range(40)),
    )


def test_sixty_four_disks_with_two_digests_each_leave_room_for_tags() -> None:
    own = {f"tag-{number}": "x" * LONGEST_VALUE for number in range(15)}
    tags = tagged(own, large(64))
    assert len(tags) <= MOST_TAGS
    assert from_tags(tags) == (large(64), own)


def test_too_much_for_the_tags_is_refused_with_a_remedy() -> None:
    with pytest.raises(ProviderError, match=r"keeping track of the object takes \d+ tags") as caught:
        to_tags(large(200))
    assert "split" in caught.value.remedy
    with pytest.raises(ProviderError, match="49 tags and the 2 that") as caught:
        tagged({f"tag-{number}": "" for number in range(49)}, TagMetadata(OWNER, regions=frozenset({"eastus"})))
    assert caught.value.remedy == "remove 1 of the declared tags"


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ({"reconciler-owner": "me"}, "is reserved"),
        ({"Reconciler-Source-7": "me"}, "is reserved"),
        ({"env": "a", "Env": "b"}, "in different case"),
        ({"a/b": ""}, "does not accept a tag named 'a/b'"),
        ({"a" * 513: ""}, "does not accept a tag named"),
        ({"": ""}, "does not accept a tag named ''"),
        ({"a": "b" * 257}, "'a' has 257 characters"),
    ],
)
def test_tags_that_azure_would_not_take_are_refused(own: dict[str, str], why: str) -> None:
    with pytest.raises(ProviderError, match=why):
        tagged(own, TagMetadata(OWNER))


def test_names_that_only_begin_like_ours_are_the_users() -> None:
    own = {"reconciler-notes": "a", "reconciler-source": "b", "x-reconciler-owner": "c"}
    assert from_tags(tagged(own, TagMetadata(OWNER))) == (TagMetadata(OWNER), own)


@pytest.mark.parametrize("text", ["", "lineage", "lineage ", " corp", "lineage a/b/c/d", "lineage a@b", "lineage //"])
def test_an_owner_that_cannot_be_parsed_is_nobody(text: str) -> None:
    assert from_tags({"reconciler-owner": text}) == (TagMetadata(), {})


def test_what_is_missing_in_part_is_missing() -> None:
    whole = large(20)
    tags = to_tags(whole)
    pieces = [name for name in tags if name.startswith("reconciler-computed-")]
    assert len(pieces) > 3
    for gone in pieces:
        found, _ = from_tags({name: value for name, value in tags.items() if name != gone})
        assert found == replace(whole, computed="{}")
    regions = sorted(name for name in tags if name.startswith("reconciler-regions-"))
    found, _ = from_tags({**tags, regions[-1]: tags[regions[-1]][:-5]})
    assert found == replace(whole, regions=frozenset())
    swapped = {**tags, pieces[1]: tags[pieces[2]], pieces[2]: tags[pieces[1]]}
    assert from_tags(swapped)[0] == replace(whole, computed="{}")
    longer = {**tags, f"reconciler-computed-{len(pieces)}": "left over"}
    assert from_tags(longer)[0] == replace(whole, computed="{}")


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_damaged_tag_does_not_affect_the_rest(data: st.DataObject) -> None:
    whole = replace(large(20), security="a" * 32, spellings=frozenset({"Env"}))
    tags: dict[str, Any] = dict(to_tags(whole))
    name = data.draw(st.sampled_from(sorted(tags)))
    junk = st.text(max_size=300) | st.sampled_from(
        ["=[1]", "={", "z", "=" + "[" * 200, '={"a":NaN}', '={"a":"\\ud800"}']
    )
    tags[name] = data.draw(junk | junk.map(lambda text: tags[name] + text) | st.none() | st.integers())
    found, own = from_tags(tags)
    assert own == {}
    kept = {
        "reconciler-owner": ("owner",),
        "reconciler-regions": ("regions",),
        "reconciler-planned": ("declared", "security", "spellings"),
        "reconciler-source": ("source",),
        "reconciler-computed": ("computed",),
    }
    touched = next(fields for start, fields in kept.items() if name.startswith(start))
    as_planned = {field: getattr(whole, field) for field in touched}
    assert replace(found, **as_planned) == whole


@pytest.mark.parametrize("text", ['={"source":{"file":"\\ud800"}}', '={"source":NaN}', "=[]", "=7", "=", ""])
def test_what_has_no_canonical_text_is_not_read(text: str) -> None:
    assert from_tags({"reconciler-source-0": text, "reconciler-computed-0": text})[0] == TagMetadata()


def test_a_text_that_would_unpack_to_megabytes_is_not_read() -> None:
    bomb = to_tags(TagMetadata(source=canonical_json({"source": "0" * (2 << 20)})))
    assert len(bomb) < 20
    assert from_tags(bomb)[0] == TagMetadata()
