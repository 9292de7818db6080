"""The planner's policy, a test for each row of the table, named after it."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from support.worlds import inputs_of

from reconciler.manifests.address import Address
from reconciler.manifests.resource import Lifecycle, Origin, Resource
from reconciler.manifests.values import canonical_json, digest
from reconciler.planning.actions import Action, Reason, ResourceChange
from reconciler.planning.decisions import Node, decide, unchanged
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from reconciler.providers.owner import Owner
from reconciler.providers.protocol import Condition, Observed
from reconciler.state.records import Intent, Record, Status

GALLERY = "corp"
DEFINITION = "corp/ubuntu"
VERSION = "corp/ubuntu/1.0.0"
REGION = "corp/ubuntu/1.0.0@eastus"


def change(plan: Plan, address: str) -> ResourceChange:
    return next(item for item in plan.changes if item.address == Address.parse(address))


def what(plan: Plan, address: str) -> tuple[Action, Reason]:
    found = change(plan, address)
    return found.action, found.reason


@pytest.mark.parametrize("address", [GALLERY, DEFINITION, VERSION, REGION])
def test_desired_not_recorded_absent_is_create_new(address: str) -> None:
    plan = make_plan(inputs_of({address: {}}, {}, {}))
    assert what(plan, address) == (Action.CREATE, Reason.NEW)


@pytest.mark.parametrize("address", [GALLERY, DEFINITION, VERSION, REGION])
def test_desired_not_recorded_present_ours_is_adopt(address: str) -> None:
    plan = make_plan(inputs_of({address: {}}, {}, {address: {}}))
    assert what(plan, address) == (Action.ADOPT, Reason.MARKED)
    assert change(plan, address).object_id == f"id:{address}"


def test_desired_not_recorded_present_ours_and_different_is_planned_as_if_recorded() -> None:
    plan = make_plan(inputs_of({GALLERY: {"description": "after"}}, {}, {GALLERY: {"description": "before"}}))
    assert what(plan, GALLERY) == (Action.UPDATE, Reason.ATTRIBUTES)


@pytest.mark.parametrize("recorded", [{}, {GALLERY: {}}], ids=["not recorded", "recorded"])
@pytest.mark.parametrize("mark", ["foreign", "none"])
def test_desired_present_not_ours_is_an_error(recorded: dict[str, dict[str, str]], mark: str) -> None:
    plan = make_plan(inputs_of({GALLERY: {}}, recorded, {GALLERY: {"$mark": mark}}))
    assert not plan.changes
    assert not plan.applicable
    (fault,) = plan.errors
    assert "not ours" in fault.summary
    assert fault.address == Address.parse(GALLERY)
    assert str(fault.position) == "manifests/corp.yaml:1"


@pytest.mark.parametrize("address", [GALLERY, DEFINITION, VERSION, REGION])
def test_desired_recorded_absent_is_create_vanished(address: str) -> None:
    plan = make_plan(inputs_of({address: {}}, {address: {}}, {}))
    assert what(plan, address) == (Action.CREATE, Reason.VANISHED)


def test_desired_in_the_journal_absent_is_create_again() -> None:
    plan = make_plan(inputs_of({GALLERY: {}}, {}, {}, journal={GALLERY: "create"}))
    assert what(plan, GALLERY) == (Action.CREATE, Reason.UNFINISHED)


def test_desired_present_and_incomplete_was_started_by_an_earlier_run() -> None:
    plan = make_plan(inputs_of({GALLERY: {}}, {}, {GALLERY: {"$condition": "incomplete"}}, journal={GALLERY: "create"}))
    assert what(plan, GALLERY) == (Action.CREATE, Reason.INTERRUPTED)


@pytest.mark.parametrize("observed", [{}, {GALLERY: {}}, {GALLERY: {"$condition": "incomplete"}}])
def test_what_a_living_run_is_working_on_is_not_called_interrupted(observed: dict[str, dict[str, str]]) -> None:
    inputs = inputs_of({GALLERY: {}, "labs": {}}, {}, observed, journal={GALLERY: "create", "labs": "create"})
    plan = make_plan(replace(inputs, busy={GALLERY: "being changed by ann@host, since THEN", "zoo": "being changed"}))
    assert what(plan, GALLERY)[1] is Reason.RUNNING
    assert what(plan, "labs") == (Action.CREATE, Reason.UNFINISHED)
    (said,) = plan.warnings
    assert said.summary == "gallery 'corp' is being changed by ann@host, since THEN"
    assert plan.applicable


@pytest.mark.parametrize("address", [GALLERY, DEFINITION, VERSION, REGION])
def test_desired_recorded_ours_equal_is_no_op(address: str) -> None:
    plan = make_plan(inputs_of({address: {}}, {address: {}}, {address: {}}))
    assert not plan.changes
    assert plan.unchanged == 1
    assert plan.applicable


def test_desired_and_observed_agree_and_the_record_differs_is_record_accepted() -> None:
    """Somebody changed the object, and then the manifests said the same: the record follows, and drift ends."""
    plan = make_plan(
        inputs_of({GALLERY: {"description": "b"}}, {GALLERY: {"description": "a"}}, {GALLERY: {"description": "b"}})
    )
    assert what(plan, GALLERY) == (Action.RECORD, Reason.ACCEPTED)
    assert json.loads(change(plan, GALLERY).prior)["description"] == "b"
    assert [(item.path, item.before, item.after) for item in change(plan, GALLERY).changes] == [
        ("description", "a", "b")
    ]


def test_as_recorded_with_another_fingerprint_is_unchanged_and_read_again() -> None:
    plan = make_plan(inputs_of({GALLERY: {}}, {GALLERY: {}}, {GALLERY: {}}))
    assert (plan.changes, plan.unchanged) == ((), 1)
    assert [(str(item.address), item.reason, item.fingerprint) for item in plan.reread] == [
        (GALLERY, Reason.REREAD, "now:corp")
    ]


def test_drift_of_what_the_manifests_do_not_decide_is_read_again_and_no_change() -> None:
    desired = {GALLERY: {"tags": {"a": "1"}, "$lifecycle": {"ignoreChanges": ["tags.a"]}}}
    plan = make_plan(inputs_of(desired, {GALLERY: {"tags": {"a": "1"}}}, {GALLERY: {"tags": {"a": "theirs"}}}))
    assert not plan.changes
    assert [json.loads(item.prior)["tags"] for item in plan.reread] == [{"a": "theirs"}]


def test_what_is_replaced_with_its_container_is_not_read_again() -> None:
    plan = make_plan(
        inputs_of(
            {GALLERY: {"location": "westus"}, DEFINITION: {}},
            {GALLERY: {}, DEFINITION: {}},
            {GALLERY: {}, DEFINITION: {}},
        )
    )
    assert what(plan, DEFINITION) == (Action.REPLACE, Reason.CONTAINER)
    assert not plan.reread


def test_desired_recorded_matching_fingerprint_is_no_op() -> None:
    plan = make_plan(inputs_of({GALLERY: {}}, {GALLERY: {}}))
    assert not plan.changes
    assert plan.unchanged == 1


def test_desired_recorded_in_the_journal_ours_equal_only_clears_the_journal() -> None:
    plan = make_plan(inputs_of({GALLERY: {}}, {GALLERY: {}}, {GALLERY: {}}, journal={GALLERY: "update"}))
    assert what(plan, GALLERY) == (Action.ADOPT, Reason.INTERRUPTED)


def test_desired_recorded_ours_mutable_differs_is_update() -> None:
    plan = make_plan(inputs_of({GALLERY: {"tags": {"a": "1"}}}, {GALLERY: {}}))
    assert what(plan, GALLERY) == (Action.UPDATE, Reason.ATTRIBUTES)
    assert [(item.path, item.before, item.after) for item in change(plan, GALLERY).changes] == [
        ("tags", None, {"a": "1"})
    ]


def test_drift_is_planned_back_to_what_is_desired() -> None:
    plan = make_plan(inputs_of({GALLERY: {"description": "a"}}, {GALLERY: {"description": "a"}}, {GALLERY: {}}))
    (item,) = change(plan, GALLERY).changes
    assert (item.path, item.before, item.after) == ("description", None, "a")


def test_desired_recorded_ours_immutable_differs_is_replace() -> None:
    plan = make_plan(inputs_of({DEFINITION: {"osState": "Specialized"}}, {DEFINITION: {}}))
    assert what(plan, DEFINITION) == (Action.REPLACE, Reason.IMMUTABLE)
    (item,) = change(plan, DEFINITION).changes
    assert (item.path, item.in_place) == ("osState", False)


def test_desired_recorded_ours_tainted_is_replace() -> None:
    plan = make_plan(inputs_of({DEFINITION: {}}, {DEFINITION: {"$status": "tainted"}}))
    assert what(plan, DEFINITION) == (Action.REPLACE, Reason.TAINTED)


def test_desired_recorded_container_replaced_is_replace() -> None:
    """corp -> ubuntu -> 1.0.0 -> @eastus: all of it goes and comes back."""
    world: dict[str, dict[str, Any]] = {GALLERY: {}, DEFINITION: {}, VERSION: {}, REGION: {}}
    plan = make_plan(inputs_of({**world, GALLERY: {"location": "westus"}}, world))
    assert what(plan, GALLERY) == (Action.REPLACE, Reason.IMMUTABLE)
    for address in (DEFINITION, VERSION, REGION):
        assert what(plan, address) == (Action.REPLACE, Reason.CONTAINER)
        assert change(plan, address).causes[0].address == Address.parse(GALLERY)
        assert change(plan, address).planned
        assert change(plan, address).prior
    assert plan.unchanged == 0


def test_a_replaced_version_does_not_replace_what_was_built_from_it() -> None:
    built = "corp/ubuntu/2.0.0"
    world = {DEFINITION: {}, VERSION: {}, built: {"source": {"version": VERSION}}}
    plan = make_plan(inputs_of(world, {**world, VERSION: {"$status": "tainted"}}))
    assert [str(item.address) for item in plan.changes] == [VERSION]


def test_damaged_region_is_replaced_alone() -> None:
    world: dict[str, dict[str, Any]] = {VERSION: {}, REGION: {}}
    damaged = {"$condition": "damaged", "$defects": ["os.raw is truncated"]}
    plan = make_plan(inputs_of(world, world, {VERSION: {}, REGION: damaged}))
    assert what(plan, REGION) == (Action.REPLACE, Reason.DAMAGED)
    assert change(plan, REGION).defects == ("os.raw is truncated",)
    assert len(plan.changes) == 1
    assert plan.applicable


@pytest.mark.parametrize("address", [GALLERY, DEFINITION, VERSION])
def test_not_desired_recorded_ours_is_delete(address: str) -> None:
    plan = make_plan(inputs_of({}, {address: {}}, {address: {}}))
    assert what(plan, address) == (Action.DELETE, Reason.UNDESIRED)


@pytest.mark.parametrize("mark", ["foreign", "none"])
def test_not_desired_recorded_not_ours_is_an_error(mark: str) -> None:
    plan = make_plan(inputs_of({}, {GALLERY: {}}, {GALLERY: {"$mark": mark}}))
    assert not plan.changes
    (fault,) = plan.errors
    assert "refusing to delete" in fault.summary
    assert "state forget corp" in fault.detail


def test_not_desired_recorded_absent_is_forget() -> None:
    plan = make_plan(inputs_of({}, {GALLERY: {}}, {}))
    assert what(plan, GALLERY) == (Action.FORGET, Reason.GONE)


def test_not_desired_in_the_journal_ours_is_delete() -> None:
    plan = make_plan(inputs_of({}, {}, {GALLERY: {}}, journal={GALLERY: "create"}))
    assert what(plan, GALLERY) == (Action.DELETE, Reason.UNDESIRED)


def test_not_desired_in_the_journal_absent_is_forget() -> None:
    plan = make_plan(inputs_of({}, {}, {}, journal={GALLERY: "create"}))
    assert what(plan, GALLERY) == (Action.FORGET, Reason.GONE)


def test_not_desired_not_recorded_present_is_nothing() -> None:
    plan = make_plan(inputs_of({}, {}, {GALLERY: {"$mark": "none"}}))
    assert not plan.changes
    assert plan.applicable


def test_unknown_is_not_absent() -> None:
    plan = make_plan(inputs_of({GALLERY: {}, DEFINITION: {}}, {}, {}, unreachable={GALLERY: "no answer"}))
    assert not plan.changes
    assert not plan.applicable
    assert plan.unreachable == ((Address("corp"), "no answer"), (Address("corp", "ubuntu"), "no answer"))


def test_an_object_that_is_busy_is_neither_changed_nor_recreated() -> None:
    plan = make_plan(inputs_of({GALLERY: {"description": "x"}}, {GALLERY: {}}, {GALLERY: {"$condition": "busy"}}))
    assert not plan.changes
    assert not plan.applicable


def test_the_shortcut_for_unchanged_nodes_says_what_the_table_says() -> None:
    """Every combination of what a node can be: the shortcut only ever skips nodes that the table leaves alone, and it
    skips all of those that are as recorded and declared as before."""
    skipped = 0
    for node in all_nodes():
        if unchanged(node):
            decision = decide(node, lambda resource, _: resource.attributes)
            assert isinstance(decision, ResourceChange), node
            assert (decision.action, decision.reason) == (Action.NO_OP, Reason.MATCHES), node
            skipped += 1
        elif node.matching and node.resource:
            decision = decide(node, lambda resource, _: resource.attributes)
            assert not isinstance(decision, ResourceChange) or decision.action is not Action.NO_OP, node
    assert skipped


def all_nodes() -> list[Node]:
    attributes = {"location": "eastus"}
    address, text = Address.parse(GALLERY), canonical_json(attributes)
    resource = Resource.of(address, "default", attributes, Origin("corp.yaml", 1))
    resources = [None, resource, replace(resource, lifecycle=Lifecycle(protect=True)), replace(resource, provider="b")]
    record = Record(address, "default", "id", text, digest(text), "f")
    edited = canonical_json({**attributes, "description": "kept"})
    records = [
        None,
        record,
        replace(record, status=Status.TAINTED),
        replace(record, protect=True),
        replace(record, canonical=edited),
        replace(record, canonical=edited, digest=digest(edited)),
    ]
    intents = [None, *(Intent(address, address, "default", verb, text, "", "r", "") for verb in ("update", "delete"))]
    seen = Observed(address, "id", Owner("lineage").mark(address), "f", text)
    observed = [
        None,
        seen,
        replace(seen, mark=None),
        replace(seen, canonical=edited),
        *(replace(seen, condition=condition) for condition in Condition),
    ]
    worlds = [*((each, False) for each in observed), (None, True)]
    return [
        Node(address, Owner("lineage"), desired, before, intent, observed=each, matching=matching, moved_from=moved)
        for desired, before, intent, (each, matching), moved in product(
            resources, records, intents, worlds, [None, Address.parse("before")]
        )
    ]


@pytest.mark.parametrize(
    ("address", "attribute"), [(GALLERY, "description"), ("corp/ubuntu", "description"), (VERSION, "endOfLifeDate")]
)
def test_a_change_that_is_no_longer_ignored_is_planned(address: str, attribute: str) -> None:
    """The attribute was once kept because its changes were ignored; the manifest still says what it said then."""
    world: dict[str, dict[str, str]] = {GALLERY: {}, "corp/ubuntu": {}, VERSION: {}}
    declared, kept = "2035-01-01T00:00:00Z", "2036-01-01T00:00:00Z"
    world[address] = {attribute: declared}
    inputs = inputs_of(world, world)
    record = inputs.state.records[Address.parse(address)]
    canonical = canonical_json({**json.loads(record.canonical), attribute: kept})
    records = {**inputs.state.records, record.address: replace(record, canonical=canonical)}
    plan = make_plan(replace(inputs, state=replace(inputs.state, records=records)))
    (item,) = change(plan, address).changes
    assert (item.path, item.before, item.after) == (attribute, kept, declared)
