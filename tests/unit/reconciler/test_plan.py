"""What a plan says besides the policy: options, references, sources, costs, `latest`, determinism."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from support.worlds import CAPABILITIES, inputs_of

from reconciler.errors import ReferenceCycle
from reconciler.latest import LatestChange
from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.planning.actions import Action, Reason, ResourceChange
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.planning.saved.plan_file import plan_json
from reconciler.planning.sources import SourceCheck, SourceStatus
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.protocol import SourceFacts
from reconciler.views.text.attribute_changes import change_text

GALLERY, DEFINITION, V1, V2 = "corp", "corp/ubuntu", "corp/ubuntu/1.0.0", "corp/ubuntu/2.0.0"
World = dict[str, dict[str, Any]]
WORLD: World = {GALLERY: {}, DEFINITION: {}, V1: {}, f"{V1}@eastus": {}, f"{V1}@westus": {}}


def actions(plan: Plan) -> dict[str, Action]:
    return {str(change.address): change.action for change in plan.changes}


def change(plan: Plan, address: str) -> ResourceChange:
    return next(item for item in plan.changes if str(item.address) == address)


def test_equal_inputs_give_equal_bytes_in_any_order() -> None:
    desired = {**WORLD, V2: {}, f"{V2}@eastus": {}, f"{V2}@northeurope": {}, V1: {"tags": {"b": "1", "a": "2"}}}
    texts = set()
    for seed in range(5):
        entries, recorded = list(desired.items()), list(WORLD.items())
        random.Random(seed).shuffle(entries)
        random.Random(seed + 100).shuffle(recorded)
        texts.add(canonical_json(plan_json(make_plan(inputs_of(dict(entries), dict(recorded))))))
    assert len(texts) == 1


def test_target_takes_what_it_needs_along_and_nothing_else() -> None:
    other: World = {"corp/debian": {}, "corp/debian/1.0.0": {}}
    plan = make_plan(inputs_of({**WORLD, **other}, {}, {}, options=PlanOptions(targets=(V1,))))
    assert set(actions(plan)) == set(WORLD)


def test_target_of_a_version_brings_the_version_it_is_built_from() -> None:
    world = {**WORLD, V2: {"source": {"version": V1}}}
    plan = make_plan(inputs_of(world, {}, {}, options=PlanOptions(targets=("corp/ubuntu/2.*",))))
    assert V1 in actions(plan)


def test_exclude_leaves_out_what_needs_it() -> None:
    world = {**WORLD, V2: {"source": {"version": V1}}, f"{V2}@eastus": {}}
    plan = make_plan(inputs_of(world, {}, {}, options=PlanOptions(excludes=(V1,))))
    assert set(actions(plan)) == {GALLERY, DEFINITION}


def test_exclude_of_a_region_leaves_the_new_version_in_the_others() -> None:
    desired = {**WORLD, V2: {}, f"{V2}@eastus": {}, f"{V2}@westus": {}}
    away = make_plan(inputs_of(desired, WORLD, options=PlanOptions(excludes=("*@westus",))))
    assert set(actions(away)) == {V2, f"{V2}@eastus"}
    home = make_plan(inputs_of(desired, WORLD, options=PlanOptions(excludes=("*@eastus",))))
    assert not home.changes


DOWN = "westus is down"
WEST_IS_DOWN: dict[str, Any] = {
    "unreachable": {f"{V1}@westus": DOWN, V2: DOWN, f"{V2}@westus": DOWN},
    "perhaps_in": {V2: "westus"},
}


def test_a_new_version_is_planned_without_a_region_that_is_down_and_excluded() -> None:
    """Its home region answers, and has no such version: then only the region that is left out could have one."""
    desired = {**WORLD, V2: {}, f"{V2}@eastus": {}, f"{V2}@westus": {}}
    seen: World = {GALLERY: {}, DEFINITION: {}, V1: {}, f"{V1}@eastus": {}}
    stopped = make_plan(inputs_of(desired, WORLD, seen, **WEST_IS_DOWN))
    assert [str(address) for address, _ in stopped.unreachable] == [
        f"{V1}@westus",
        V2,
        f"{V2}@eastus",
        f"{V2}@westus",
    ]
    plan = make_plan(inputs_of(desired, WORLD, seen, options=PlanOptions(excludes=("*@westus",)), **WEST_IS_DOWN))
    assert plan.applicable
    assert actions(plan) == {V2: Action.CREATE, f"{V2}@eastus": Action.CREATE}


@pytest.mark.parametrize(
    ("attributes", "excludes", "perhaps_in", "journal"),
    [
        ({"location": "westus"}, ("*@westus",), "westus", {}),
        ({}, ("*@westus",), "northeurope westus", {}),
        ({}, (f"{V1}@westus",), "westus", {}),
        ({}, ("*@westus",), "westus", {V2: "create"}),
    ],
    ids=["its home is down", "another region is down, too", "excluded for another", "started in an unknown region"],
)
def test_a_new_version_stays_unknown_where_it_may_be_elsewhere(
    attributes: dict[str, Any], excludes: tuple[str, ...], perhaps_in: str, journal: dict[str, str]
) -> None:
    desired = {**WORLD, V2: attributes, f"{V2}@eastus": {}, f"{V2}@westus": {}}
    seen: World = {GALLERY: {}, DEFINITION: {}, V1: {}, f"{V1}@eastus": {}}
    down = {**WEST_IS_DOWN, "perhaps_in": {V2: perhaps_in}}
    plan = make_plan(inputs_of(desired, WORLD, seen, journal=journal, options=PlanOptions(excludes=excludes), **down))
    assert V2 in {str(address) for address, _ in plan.unreachable}
    assert not plan.changes


def test_a_version_keeps_its_unreachable_regions() -> None:
    """What holds something that is unknown and left out is neither deleted nor made anew."""
    seen: World = {GALLERY: {}, DEFINITION: {}, V1: {}, f"{V1}@eastus": {}}
    down: dict[str, Any] = {"unreachable": {f"{V1}@westus": DOWN}}
    excluded = PlanOptions(excludes=("*@westus",), allow_replace=(V1,), allow_deletes=9)
    gone = make_plan(inputs_of({GALLERY: {}, DEFINITION: {}}, WORLD, seen, options=excluded, **down))
    other = {**WORLD, V1: {"hostCaching": "None"}}
    replaced = make_plan(inputs_of(other, WORLD, seen, options=excluded, **down))
    assert actions(gone) == {f"{V1}@eastus": Action.DELETE}
    assert actions(replaced) == {}


def test_exclude_takes_a_blocked_change_out_of_the_way() -> None:
    desired = {**WORLD, V1: {"hostCaching": "ReadOnly"}, GALLERY: {"description": "x"}}
    assert not make_plan(inputs_of(desired, WORLD)).applicable
    plan = make_plan(inputs_of(desired, WORLD, options=PlanOptions(excludes=(V1,))))
    assert plan.applicable
    assert actions(plan) == {GALLERY: Action.UPDATE}


def test_destroy_deletes_all_that_is_recorded() -> None:
    plan = make_plan(inputs_of(WORLD, WORLD, options=PlanOptions(destroy=True)))
    assert set(actions(plan).values()) == {Action.DELETE}
    assert {item.reason for item in plan.changes} == {Reason.DESTROY}


def test_cycle_is_named_in_full() -> None:
    world: World = {V1: {"source": {"version": V2}}, V2: {"source": {"version": V1}}}
    with pytest.raises(ReferenceCycle) as caught:
        make_plan(inputs_of(world, {}, {}))
    assert f"{V1} -> {V2} -> {V1}" in str(caught.value)


def test_latest_as_a_source_is_pinned_and_stays_pinned() -> None:
    base = "corp/base/1.0.0"
    world: World = {
        base: {},
        "corp/base/1.5.0": {"excludeFromLatest": True},
        V1: {"source": {"version": "corp/base/latest"}},
    }
    plan = make_plan(inputs_of(world, {}, {}))
    assert change(plan, V1).planned_attributes["source"] == {"version": base}
    assert Address.parse(base) in change(plan, V1).dependencies
    newer = {**world, "corp/base/1.1.0": {}}
    again = make_plan(inputs_of(newer, {**world, V1: {"source": {"version": base}}}))
    assert set(actions(again)) == {"corp/base/1.1.0"}


def test_latest_of_a_definition_without_versions_is_an_error() -> None:
    plan = make_plan(inputs_of({V1: {"source": {"version": "corp/base/latest"}}}, {}, {}))
    (fault,) = plan.errors
    assert "corp/base" in fault.summary


def test_changed_source_of_a_published_version_is_a_blocked_replace() -> None:
    changed = {V1: {"os": SourceCheck(SourceStatus.CHANGED, digest=ContentDigest(plain="bb"))}}
    plan = make_plan(inputs_of(WORLD, WORLD, sources=changed))
    found = change(plan, V1)
    assert (found.action, found.reason) == (Action.REPLACE, Reason.IMMUTABLE)
    assert [(item.path, item.before, item.after) for item in found.changes] == [("source.sha256", "aa", "bb")]
    assert found.block is not None
    assert "publish 1.0.1 instead" in found.block.remedy


def test_a_source_that_cannot_be_compared_shows_no_pretended_value() -> None:
    unread = SourceCheck(SourceStatus.CHANGED, problem="the content of snapshot 'a' cannot be read from here")
    plan = make_plan(inputs_of({V1: {}}, {V1: {}}, sources={V1: {"os": unread}}))
    (item,) = change(plan, V1).changes
    assert (item.path, item.after) == ("source.sha256", None)
    assert "snapshot 'a'" in item.note
    assert change_text(item) == item.note


def test_renamed_source_with_the_same_content_is_no_change() -> None:
    plan = make_plan(inputs_of({**WORLD, V1: {"source": {"file": "elsewhere/a.raw"}}}, WORLD))
    assert not plan.changes


def test_missing_source_of_a_new_version_is_an_error_with_its_place() -> None:
    missing = {V1: {"os": SourceCheck(SourceStatus.UNUSABLE, problem="images/a.raw does not exist", remedy="make it")}}
    plan = make_plan(inputs_of({V1: {}}, {}, {}, sources=missing))
    (fault,) = plan.errors
    assert "images/a.raw does not exist" in fault.summary
    assert str(fault.position) == "manifests/corp.yaml:1"


def test_costs_count_copies_and_bytes() -> None:
    facts = {V1: {"os": SourceCheck(SourceStatus.NEW, SourceFacts(1000, 1000, "raw", "i"))}}
    world: World = {V1: {}, f"{V1}@eastus": {"replicas": 2}, f"{V1}@westus": {}}
    plan = make_plan(inputs_of(world, {}, {}, sources=facts))
    assert [(item.copies, item.move_bytes) for item in plan.changes] == [(0, 0), (2, 2000), (1, 1000)]


def test_costs_of_more_replicas_are_the_difference() -> None:
    plan = make_plan(inputs_of({V1: {}, f"{V1}@eastus": {"replicas": 3}}, {V1: {}, f"{V1}@eastus": {}}))
    assert [(item.copies, item.move_bytes) for item in plan.changes] == [(2, 1024)]


def test_shallow_versions_copy_nothing() -> None:
    plan = make_plan(inputs_of({V1: {"replicationMode": "Shallow"}, f"{V1}@eastus": {}}, {}, {}))
    assert [item.copies for item in plan.changes] == [0, 0]


def test_latest_becomes() -> None:
    desired = {**WORLD, V2: {}, f"{V2}@eastus": {}, f"{V2}@westus": {"excludeFromLatest": True}}
    plan = make_plan(inputs_of(desired, WORLD))
    assert plan.latest == (LatestChange(Address("corp", "ubuntu"), "eastus", "1.0.0", "2.0.0"),)


def test_latest_falls_back_when_a_version_goes() -> None:
    recorded = {**WORLD, V2: {}, f"{V2}@eastus": {}}
    plan = make_plan(inputs_of(WORLD, recorded))
    assert plan.latest == (LatestChange(Address("corp", "ubuntu"), "eastus", "2.0.0", "1.0.0"),)


def test_encryption_is_refused_where_the_backend_does_not_encrypt() -> None:
    keys = {"osDiskImage": {"diskEncryptionSetId": "/subscriptions/s/diskEncryptionSets/keys"}}
    plan = make_plan(inputs_of({V1: {}, f"{V1}@eastus": {"encryption": keys}}, {}, {}))
    (fault,) = plan.errors
    assert str(fault.address) == f"{V1}@eastus"
    assert "does not encrypt" in fault.summary


def test_backend_that_lacks_a_region_is_refused_with_the_nearest() -> None:
    plan = make_plan(inputs_of({V1: {}, f"{V1}@eastuss": {}}, {}, {}))
    (fault,) = plan.errors
    assert "did you mean 'eastus'?" in fault.detail


def test_backend_that_lacks_a_source_is_refused() -> None:
    plan = make_plan(inputs_of({V1: {"source": {"vm": "machine"}}}, {}, {}))
    (fault,) = plan.errors
    assert "'vm'" in fault.summary
    assert "file" in fault.detail


@pytest.mark.parametrize(("alike", "told"), [((), []), (("osType", "osState"), ["osState"]), (("architecture",), [])])
def test_a_backend_may_want_versions_of_versions_to_be_alike(alike: tuple[str, ...], told: list[str]) -> None:
    inputs = inputs_of(
        {**WORLD, "corp/debian": {"osState": "Specialized"}, "corp/debian/1.0.0": {"source": {"version": V1}}}, WORLD
    )
    inputs = replace(inputs, capabilities={"default": replace(CAPABILITIES, alike=frozenset(alike))})
    assert [fault.summary for fault in make_plan(inputs).errors] == [
        f"{V1} cannot be the source: corp/ubuntu and corp/debian differ in {name}" for name in told
    ]


def test_end_of_life_that_has_passed_is_refused_when_set_and_fine_when_old() -> None:
    ended = {"endOfLifeDate": "2030-05-01T00:00:00Z"}
    assert "has already passed" in make_plan(inputs_of({V1: ended}, {}, {})).errors[0].summary
    assert make_plan(inputs_of({V1: {**ended, "tags": {"a": "b"}}}, {V1: ended})).applicable


def test_ignored_changes_keep_what_is_there() -> None:
    desired = {GALLERY: {"tags": {"a": "1", "b": "2"}, "$lifecycle": {"ignoreChanges": ["tags.a"]}}}
    observed = {GALLERY: {"tags": {"a": "theirs", "b": "2"}}}
    assert not make_plan(inputs_of(desired, {GALLERY: {"tags": {"a": "1", "b": "2"}}}, observed)).changes
    plan = make_plan(inputs_of(desired, {GALLERY: {}}, {GALLERY: {"tags": {"a": "theirs"}}}))
    assert change(plan, GALLERY).planned_attributes["tags"] == {"a": "theirs", "b": "2"}


def test_lifecycle_change_only_writes_the_record() -> None:
    plan = make_plan(inputs_of({GALLERY: {"$lifecycle": {"protect": True}}}, {GALLERY: {}}))
    assert [(item.action, item.reason, item.protect) for item in plan.changes] == [
        (Action.RECORD, Reason.LIFECYCLE, True)
    ]


def test_moved_touches_no_object_and_keeps_its_name() -> None:
    renamed: World = {"corp": {}, "corp/noble": {}, "corp/noble/1.0.0": {}, "corp/noble/1.0.0@eastus": {}}
    recorded: World = {"corp": {}, DEFINITION: {}, V1: {}, f"{V1}@eastus": {}}
    plan = make_plan(inputs_of(renamed, recorded, moves={DEFINITION: "corp/noble"}))
    assert set(actions(plan).values()) == {Action.RECORD}
    assert str(change(plan, "corp/noble/1.0.0").named) == V1
    assert str(change(plan, "corp/noble").moved_from) == DEFINITION


def test_removed_without_destroy_only_forgets() -> None:
    plan = make_plan(inputs_of({GALLERY: {}}, WORLD, removals={DEFINITION: False}))
    assert set(actions(plan).values()) == {Action.FORGET}


def test_provider_change_is_refused() -> None:
    plan = make_plan(inputs_of({GALLERY: {"$provider": "other"}}, {GALLERY: {}}))
    assert "provider changed" in plan.errors[0].summary


@pytest.mark.parametrize(
    "options",
    [
        PlanOptions(targets=("corp/ubunto",)),
        PlanOptions(excludes=("corp/ubunto",)),
        PlanOptions(allow_replace=("corp/ubunto",)),
    ],
)
def test_an_option_that_names_nothing_is_an_error(options: PlanOptions) -> None:
    (fault,) = make_plan(inputs_of(WORLD, WORLD, options=options)).errors
    assert "corp/ubunto" in fault.summary
    assert "did you mean 'corp/ubuntu'?" in fault.detail


def test_cycle_through_latest_is_named() -> None:
    """a/one is built from the latest of b, and b/one from the latest of a"""
    one, other = "corp/a/1.0.0", "corp/b/1.0.0"
    world: World = {one: {"source": {"version": "corp/b/latest"}}, other: {"source": {"version": "corp/a/latest"}}}
    with pytest.raises(ReferenceCycle) as caught:
        make_plan(inputs_of(world, {}, {}))
    assert f"{one} -> {other} -> {one}" in str(caught.value)
    assert "at manifests/corp.yaml:1" in str(caught.value)
