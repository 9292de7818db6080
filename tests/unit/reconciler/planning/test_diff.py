"""What differs between two sets of attributes, down to the elements of lists and maps."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.manifests.address import Kind
from reconciler.planning.actions import MOST_ELEMENTS, AttributeChange, ElementChange
from reconciler.planning.diff import attribute_changes
from reconciler.views.text.attribute_changes import change_text

A, B, C = "/sub/a", "/sub/b", "/sub/c"


def identities(*ids: str) -> dict[str, Any]:
    return {"identity": {"type": "UserAssigned", "userAssignedIdentities": list(ids)}}


def only_change(before: dict[str, Any], after: dict[str, Any]) -> AttributeChange:
    (change,) = attribute_changes(before, after, Kind.GALLERY)
    return change


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ([A], [A, B], f"+ {B}"),
        ([A, B], [B], f"- {A}"),
        ([A, B], [B, C], f"- {A}  + {C}"),
        ([A, C], [B], f"- {A}  + {B}  - {C}"),
        ([A, A, B], [A, B], f"- {A}"),
        ([B], [A, A, B], f"+ {A}  + {A}"),
    ],
)
def test_a_list_shows_the_elements_that_were_added_and_removed(before: list[str], after: list[str], shown: str) -> None:
    change = only_change(identities(*before), identities(*after))
    assert change.path == "identity.userAssignedIdentities"
    assert (change.before, change.after) == (before, after)
    assert change_text(change) == shown


def test_a_list_in_another_order_has_no_changed_elements() -> None:
    change = only_change(identities(A, B), identities(B, A))
    assert change.elements == ()
    assert change_text(change) == f'["{A}","{B}"] -> ["{B}","{A}"]'


def test_a_map_that_appears_or_disappears_shows_its_keys() -> None:
    tags = {"team": "images", "cost": "42"}
    added = only_change({}, {"tags": tags})
    assert added.elements == (ElementChange("cost", None, "42"), ElementChange("team", None, "images"))
    assert change_text(added) == "+ cost=42  + team=images"
    assert change_text(only_change({"tags": tags}, {})) == "- cost=42  - team=images"


def test_one_key_of_a_map_is_an_attribute_of_its_own() -> None:
    change = only_change({"tags": {"team": "a", "cost": "1"}}, {"tags": {"team": "b", "cost": "1"}})
    assert (change.path, change.elements, change_text(change)) == ("tags.team", (), "a -> b")


def test_an_object_in_a_list_is_one_element() -> None:
    """Two of its values differ: that is one change, and the object after it is removed."""
    before = {"keys": [{"type": "x509", "value": ["a"]}, {"type": "sha256", "value": ["b"]}]}
    after = {"keys": [{"type": "sha256", "value": ["b", "c"]}]}
    elements = only_change(before, after).elements
    assert elements == (
        ElementChange("", before["keys"][1], None),
        ElementChange("", before["keys"][0], after["keys"][0]),
    )


def test_a_value_that_becomes_a_list_has_no_elements() -> None:
    change = only_change({"description": "a"}, {"description": ["a"]})
    assert (change.before, change.after, change.elements) == ("a", ["a"], ())


def test_the_number_of_elements_is_bounded() -> None:
    ids = [f"/sub/{number:03}" for number in range(MOST_ELEMENTS + 5)]
    change = only_change(identities(), identities(*ids))
    assert [item.after for item in change.elements] == ids[:MOST_ELEMENTS]
    assert change.more_elements == 5
    assert change_text(change).endswith(f"+ /sub/003  and {MOST_ELEMENTS + 1} more")


def test_long_elements_lose_their_middle_and_secrets_their_value() -> None:
    prefix = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/images/providers/identities/"
    text = change_text(only_change(identities(), identities(f"{prefix}one", f"{prefix}two")))
    assert "one" in text
    assert "two" in text
    assert len(text) < 140
    signed = "https://account.blob.core.windows.net/x.vhd?sv=2024&sig=c2VjcmV0"
    text = change_text(only_change({}, {"source": {"url": signed, "token": "password=hunter2"}}))
    assert "c2VjcmV0" not in text
    assert "hunter2" not in text
