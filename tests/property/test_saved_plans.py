"""What makes a saved plan stale: every edit of what it touches, and no other edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.worlds import inputs_of

from reconciler.manifests.resource import Origin
from reconciler.planning.draft import PlanInputs
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.planning.saved.staleness import rest_of
from reconciler.planning.sources import SourceCheck, SourceStatus
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.protocol import SourceFacts

World = Mapping[str, Mapping[str, Any]]

NEW = "corp/ubuntu/2.0.0"
RECORDED: World = {
    "corp": {},
    "corp/ubuntu": {},
    "corp/ubuntu/1.0.0": {},
    "corp/ubuntu/1.0.0@eastus": {},
    "corp/old": {},
    "lab": {},
    "lab/debian": {},
    "lab/debian/1.0.0": {},
    "lab/debian/1.0.0@westus": {},
}
DESIRED: World = {
    **{address: given for address, given in RECORDED.items() if address != "corp/old"},
    "corp/ubuntu": {"description": "planned"},
    NEW: {},
    f"{NEW}@eastus": {},
}
"""An update, a new version with a region, and a removed definition."""

TOUCHED = ("corp/ubuntu", NEW, f"{NEW}@eastus", "corp/old")
FOREIGN = ("corp", "lab", "lab/debian", "lab/debian/1.0.0", "lab/debian/1.0.0@westus", "corp/ubuntu/1.0.0@eastus")


def source(digest: str, identity: str) -> Mapping[str, SourceCheck]:
    return {
        "os": SourceCheck(SourceStatus.NEW, SourceFacts(512, 512, "raw", identity), digest=ContentDigest(plain=digest))
    }


def inputs(desired: World, observed: World | None = None, digest: str = "aa" * 32, identity: str = "1") -> PlanInputs:
    return inputs_of(desired, RECORDED, observed, sources={NEW: source(digest, identity)})


def edited(address: str, value: str) -> Mapping[str, Any]:
    """Attributes that change in place, and are not those of any world here."""
    if "@" in address:
        return {"replicas": 2 + len(value)}
    return {"tags": {"edited": value}}


def differences(fresh: Plan) -> tuple[str, ...]:
    return rest_of(make_plan(inputs(DESIRED)), fresh, inputs(DESIRED).state).differences


values = st.text("abc", min_size=1, max_size=3)


@st.composite
def foreign_worlds(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What is desired and what is observed, after edits of anything but what the plan touches."""
    desired: dict[str, Any] = dict(DESIRED)
    for address in draw(st.sets(st.sampled_from(FOREIGN))):
        desired[address] = edited(address, draw(values))
    if draw(st.booleans()):
        desired |= {"new": {}, "new/image": {}, "corp/other": {}, "corp/ubuntu/0.9.0": {}}
    if draw(st.booleans()):
        desired = {address: given for address, given in desired.items() if not address.startswith("lab")}
    return desired, None


@given(foreign_worlds(), st.integers(1, 99), st.text("xyz", max_size=3))
@settings(max_examples=200, deadline=None)
def test_unrelated_edits_never_stale_a_plan(
    worlds: tuple[dict[str, Any], dict[str, Any] | None], line: int, identity: str
) -> None:
    """Other objects, moved lines, other files, another clone of the image."""
    desired, observed = worlds
    made = inputs(desired, observed, identity=identity)
    resources = {
        address: replace(resource, origin=Origin("manifests/moved.yaml", line))
        for address, resource in made.manifest.resources.items()
    }
    fresh = make_plan(replace(made, manifest=replace(made.manifest, resources=resources, digest="manifest-2")))
    assert differences(fresh) == ()
    saved = {change.address for change in make_plan(inputs(DESIRED)).changes}
    assert {change.address for change in rest_of(make_plan(inputs(DESIRED)), fresh, made.state).changes} == saved


@given(st.sampled_from(TOUCHED), st.sampled_from(["declaration", "removal", "object", "lifecycle"]), values)
@settings(max_examples=200, deadline=None)
def test_every_edit_of_what_it_touches_makes_it_stale(address: str, edit: str, value: str) -> None:
    desired: dict[str, Any] = dict(DESIRED)
    observed: dict[str, Any] | None = None
    match edit:
        case "declaration":
            desired[address] = {**desired.get(address, {}), **edited(address, f"z{value}")}
        case "removal" if address in desired:
            desired = {other: given for other, given in desired.items() if not f"{other}@".startswith(f"{address}@")}
        case "object":
            observed = dict(RECORDED)
            observed[address] = {**RECORDED.get(address, {}), **edited(address, value)}
        case _ if address in desired:
            desired[address] = {**desired[address], "$lifecycle": {"protect": True}}
        case _:
            desired[address] = {}
    assert differences(make_plan(inputs(desired, observed)))


def test_other_bytes_make_it_stale_and_the_same_ones_elsewhere_do_not() -> None:
    assert "the content of its source" in differences(make_plan(inputs(DESIRED, digest="bb" * 32)))[0]
    assert differences(make_plan(inputs(DESIRED, identity="another inode"))) == ()
    renamed = {**DESIRED, NEW: {"source": {"file": "images/renamed.raw"}}}
    fresh = make_plan(inputs(renamed))
    assert differences(fresh) == ()
    changes = rest_of(make_plan(inputs(DESIRED)), fresh, inputs(DESIRED).state).changes
    assert {"file": "images/renamed.raw"} in [change.planned_attributes.get("source") for change in changes]
    assert differences(make_plan(inputs(renamed, digest="bb" * 32)))


def test_what_a_change_needs_must_still_exist() -> None:
    """The gallery vanished: it would have to be created first, which nobody approved."""
    observed = {address: given for address, given in RECORDED.items() if address != "corp"}
    found = differences(make_plan(inputs(DESIRED, observed)))
    assert any("corp: create is needed before" in line for line in found)


def test_what_is_deleted_must_not_contain_more_than_was_planned() -> None:
    recorded: World = {"corp": {}, "corp/old": {}}
    saved = make_plan(inputs_of({"corp": {}}, recorded))
    more = inputs_of({"corp": {}}, {**recorded, "corp/old/1.0.0": {}, "corp/old/1.0.0@eastus": {}})
    found = rest_of(saved, make_plan(more), more.state).differences
    assert "corp/old/1.0.0: it would be lost as well, which is not part of the plan" in found
