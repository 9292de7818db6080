"""A rename without its `Moved` document is noticed before anything is deleted."""

from __future__ import annotations

from typing import Any

import pytest
from support.worlds import inputs_of

from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan

World = dict[str, dict[str, Any]]
IDENTIFIER = {"publisher": "Contoso", "offer": "Servers", "sku": "web"}
SOURCE = {"source": {"file": "a.raw"}}


def world(gallery: str = "corp", name: str = "web", number: str = "1.0.0", **identifier: Any) -> World:
    definition, version = f"{gallery}/{name}", f"{gallery}/{name}/{number}"
    return {
        gallery: {},
        definition: {"identifier": {**IDENTIFIER, **identifier}},
        version: dict(SOURCE),
        f"{version}@eastus": {},
    }


def plan(desired: World, recorded: World) -> Plan:
    return make_plan(inputs_of(desired, recorded))


@pytest.mark.parametrize("sku", ["web", "WEB"])
def test_the_same_identifier_under_another_name(sku: str) -> None:
    made = plan(world(name="frontend", sku=sku), world())
    (fault,) = made.errors
    assert fault.summary == "corp/frontend has the identifier of corp/web, which would be deleted"
    assert "{kind: Moved, from: corp/web, to: corp/frontend}" in fault.detail
    assert not made.applicable


def test_the_same_images_under_another_name() -> None:
    made = plan(world(name="frontend", sku="frontend"), world())
    assert not made.errors
    (warned,) = made.warnings
    assert warned.summary == "corp/frontend looks like corp/web, which would be deleted, under another name"


def test_a_gallery_under_another_name() -> None:
    made = plan(world("team"), world("corp"))
    assert [each.summary for each in made.warnings] == [
        "team looks like corp, which would be deleted, under another name"
    ]
    assert "{kind: Moved, from: corp, to: team}" in made.warnings[0].detail


@pytest.mark.parametrize(
    ("desired", "recorded"),
    [
        (world() | world(name="frontend", sku="frontend"), world()),
        (world(), world() | world(name="old", sku="old")),
        (world(name="frontend", number="2.0.0", sku="other"), world()),
        ({"corp": {}}, world()),
    ],
)
def test_what_is_no_rename(desired: World, recorded: World) -> None:
    made = plan(desired, recorded)
    assert not made.errors
    assert not made.warnings
