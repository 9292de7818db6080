"""Each safety rule, with what sets it off and what lifts it."""

from __future__ import annotations

from typing import Any

import pytest
from support.worlds import inputs_of

from reconciler.manifests.address import Address
from reconciler.planning import safety
from reconciler.planning.actions import Action, Block, Reason, ResourceChange
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.planning.safety import SafetyContext, next_version

GALLERY, DEFINITION, VERSION = "corp", "corp/ubuntu", "corp/ubuntu/1.0.0"
EAST, WEST = f"{VERSION}@eastus", f"{VERSION}@westus"
DESTROY = PlanOptions(destroy=True)
WORLD: dict[str, dict[str, Any]] = {GALLERY: {}, DEFINITION: {}, VERSION: {}, EAST: {}, WEST: {}}


def block_of(plan: Plan, address: str) -> Block | None:
    return next(change.block for change in plan.changes if change.address == Address.parse(address))


def without(*addresses: str) -> dict[str, dict[str, Any]]:
    return {address: given for address, given in WORLD.items() if address not in addresses}


def test_protect_of_the_record_outlives_the_manifest_entry() -> None:
    plan = make_plan(inputs_of({}, {GALLERY: {"$protect": True}}))
    block = block_of(plan, GALLERY)
    assert block is not None
    assert "protected" in block.why
    assert not plan.applicable


def test_protect_in_the_manifest_blocks_a_replace_even_when_it_is_allowed() -> None:
    desired = {DEFINITION: {"osState": "Specialized", "$lifecycle": {"protect": True}}}
    plan = make_plan(inputs_of(desired, {DEFINITION: {}}, options=PlanOptions(allow_replace=(DEFINITION,))))
    assert block_of(plan, DEFINITION) is not None


@pytest.mark.parametrize("says", ["manifest", "record", "object"])
def test_protect_holds_if_the_manifest_the_record_or_the_object_says_so(says: str) -> None:
    lifecycle = {"protect": says == "manifest"}
    desired = {DEFINITION: {"osState": "Specialized", "$lifecycle": lifecycle}}
    observed = {DEFINITION: {"$protected": says == "object"}}
    plan = make_plan(inputs_of(desired, {DEFINITION: {"$protect": says == "record"}}, observed))
    block = block_of(plan, DEFINITION)
    assert block is not None
    assert block.remedy == "to replace it, set lifecycle.protect: false and apply that first"


def test_protect_of_the_object_outlives_record_and_manifest() -> None:
    plan = make_plan(inputs_of({}, WORLD, {**WORLD, VERSION: {"$protected": True}}, options=DESTROY))
    blocked = {str(change.address) for change in plan.blocked}
    assert blocked == {VERSION, EAST, WEST}
    declared = {VERSION: {"$lifecycle": {"protect": True}}}
    assert not make_plan(inputs_of({**WORLD, **declared}, WORLD, options=DESTROY)).applicable


def test_protect_is_lifted_first_and_then_the_object_may_go() -> None:
    lifted = make_plan(inputs_of({DEFINITION: {}}, {DEFINITION: {"$protect": True}}))
    assert [(change.action, change.reason) for change in lifted.changes] == [(Action.RECORD, Reason.LIFECYCLE)]
    assert make_plan(inputs_of({DEFINITION: {"osState": "Specialized"}}, {DEFINITION: {}})).applicable


@pytest.mark.parametrize("protected", [False, True])
def test_protection_is_written_to_objects_that_keep_it(protected: bool) -> None:
    lifecycle = {"$lifecycle": {"protect": protected}}
    desired = {**WORLD, DEFINITION: lifecycle, VERSION: lifecycle, EAST: lifecycle, WEST: lifecycle}
    before = {"$protect": not protected, "$protected": not protected}
    recorded = {**WORLD, DEFINITION: before, VERSION: before, EAST: before, WEST: before}
    for observed in (None, recorded):
        plan = make_plan(inputs_of(desired, recorded, observed, keeps_protection=True))
        done = {str(change.address): (change.action, change.reason) for change in plan.changes}
        assert done == {
            DEFINITION: (Action.UPDATE, Reason.LIFECYCLE),
            VERSION: (Action.UPDATE, Reason.LIFECYCLE),
            EAST: (Action.RECORD, Reason.LIFECYCLE),
            WEST: (Action.RECORD, Reason.LIFECYCLE),
        }
        (shown,) = plan.changes[0].changes
        assert (shown.path, shown.before, shown.after) == ("lifecycle.protect", not protected, protected)


def test_protection_that_only_the_record_lacks_is_recorded() -> None:
    desired = {DEFINITION: {"$lifecycle": {"protect": True}}}
    observed = {DEFINITION: {"$protected": True}}
    (change,) = make_plan(inputs_of(desired, {DEFINITION: {}}, observed, keeps_protection=True)).changes
    assert (change.action, change.reason) == (Action.RECORD, Reason.LIFECYCLE)


def test_an_adopted_object_gets_the_declared_protection() -> None:
    desired = {DEFINITION: {"$lifecycle": {"protect": True}}}
    (change,) = make_plan(inputs_of(desired, {}, {DEFINITION: {}}, keeps_protection=True)).changes
    assert change.action is Action.UPDATE


def test_damaged_copies_are_repaired_protected_or_not() -> None:
    protect = {"$lifecycle": {"protect": True}}
    desired = {**WORLD, VERSION: protect, EAST: protect, WEST: protect}
    recorded = {**WORLD, VERSION: {"$protect": True}, EAST: {"$protect": True}, WEST: {"$protect": True}}
    observed = {
        **WORLD,
        VERSION: {"$protected": True},
        EAST: {"$condition": "damaged"},
        WEST: {"$condition": "damaged"},
    }
    plan = make_plan(inputs_of(desired, recorded, observed))
    assert plan.applicable
    assert [change.action for change in plan.changes] == [Action.REPLACE, Action.REPLACE]


def test_protect_blocks_destroy() -> None:
    plan = make_plan(inputs_of(WORLD, {**WORLD, VERSION: {"$protect": True}}, options=PlanOptions(destroy=True)))
    assert block_of(plan, VERSION) is not None


def test_published_version_is_not_replaced_and_the_next_number_is_proposed() -> None:
    newer = "corp/ubuntu/1.0.9"
    desired = {**WORLD, VERSION: {"hostCaching": "ReadOnly"}, newer: {}}
    plan = make_plan(inputs_of(desired, {**WORLD, newer: {}}))
    block = block_of(plan, VERSION)
    assert block is not None
    assert block.why == "a published version cannot change its hostCaching"
    assert block.remedy == f"publish 1.0.10 instead, or --allow-replace {VERSION}"


@pytest.mark.parametrize("allowed_by", ["option", "manifest"])
def test_published_version_is_replaced_where_that_is_allowed(allowed_by: str) -> None:
    lifecycle = {"allowReplace": True} if allowed_by == "manifest" else {}
    options = PlanOptions(allow_replace=(VERSION,) if allowed_by == "option" else ())
    desired = {**WORLD, VERSION: {"hostCaching": "ReadOnly", "$lifecycle": lifecycle}}
    assert make_plan(inputs_of(desired, WORLD, options=options)).applicable


@pytest.mark.parametrize("address", [GALLERY, DEFINITION])
def test_container_of_a_published_version_is_not_replaced(address: str) -> None:
    plan = make_plan(inputs_of({**WORLD, address: {"location": "westus"}}, WORLD))
    block = block_of(plan, address)
    assert block is not None
    assert VERSION in block.why
    allowed = make_plan(
        inputs_of({**WORLD, address: {"location": "westus"}}, WORLD, options=PlanOptions(allow_replace=(address,)))
    )
    assert allowed.applicable


def test_container_without_versions_is_replaced() -> None:
    world: dict[str, dict[str, Any]] = {GALLERY: {}, DEFINITION: {}}
    assert make_plan(inputs_of({**world, DEFINITION: {"architecture": "Arm64"}}, world)).applicable


def test_region_of_a_published_version_is_not_removed() -> None:
    plan = make_plan(inputs_of(without(WEST), WORLD))
    block = block_of(plan, WEST)
    assert block is not None
    assert "allowDeletionOfReplicatedLocations" in block.remedy


def test_region_is_removed_where_the_safety_profile_lets_it() -> None:
    safety = {"safety": {"allowDeletionOfReplicatedLocations": True, "blockDeletionBeforeEndOfLife": False}}
    plan = make_plan(inputs_of({**without(WEST), VERSION: safety}, WORLD))
    assert block_of(plan, WEST) is None
    assert plan.applicable


def test_regions_go_with_their_version() -> None:
    allowed = PlanOptions(allow_loss=(VERSION,))
    assert make_plan(inputs_of(without(VERSION, EAST, WEST), WORLD, options=allowed)).applicable


@pytest.mark.parametrize(
    ("end", "blocked"), [("2031-01-01T00:00:00Z", True), ("2030-01-01T00:00:00Z", False), (None, True)]
)
def test_delete_before_end_of_life(end: str | None, blocked: bool) -> None:
    safety = {"allowDeletionOfReplicatedLocations": False, "blockDeletionBeforeEndOfLife": True}
    plan = make_plan(inputs_of({}, {VERSION: {"safety": safety, "endOfLifeDate": end}}))
    assert (block_of(plan, VERSION) is not None) is blocked


def test_container_of_something_retained_is_not_deleted() -> None:
    recorded = {**WORLD, VERSION: {"$retain": True}, EAST: {"$retain": True}, WEST: {"$retain": True}}
    plan = make_plan(inputs_of({}, recorded))
    block = block_of(plan, DEFINITION)
    assert block is not None
    assert "is kept" in block.why
    assert block_of(plan, VERSION) is None


def test_last_end_of_life_can_move_but_not_vanish() -> None:
    moved = make_plan(
        inputs_of(
            {VERSION: {"endOfLifeDate": "2032-01-01T00:00:00Z"}}, {VERSION: {"endOfLifeDate": "2031-01-01T00:00:00Z"}}
        )
    )
    assert moved.applicable
    vanished = make_plan(inputs_of({VERSION: {}}, {VERSION: {"endOfLifeDate": "2031-01-01T00:00:00Z"}}))
    assert block_of(vanished, VERSION) is not None


def _definitions(count: int) -> dict[str, dict[str, Any]]:
    return {"corp": {}, **{f"corp/d{number}": {} for number in range(count)}}


def test_blast_radius_needs_to_be_named() -> None:
    world = _definitions(19)
    desired = {address: given for address, given in world.items() if address not in [f"corp/d{n}" for n in range(7)]}
    plan = make_plan(inputs_of(desired, world))
    (block,) = plan.blocks
    assert "7 of 20" in block.why
    assert "--allow-deletes 7" in block.remedy
    assert not plan.applicable
    assert make_plan(inputs_of(desired, world, options=PlanOptions(allow_deletes=7))).applicable


def test_blast_radius_leaves_small_changes_and_small_estates_alone() -> None:
    world = _definitions(19)
    desired = {address: given for address, given in world.items() if address not in [f"corp/d{n}" for n in range(6)]}
    assert make_plan(inputs_of(desired, world)).applicable
    assert make_plan(inputs_of({"corp": {}}, _definitions(8))).applicable


def test_blast_radius_does_not_stop_destroy() -> None:
    assert make_plan(inputs_of({}, _definitions(19), options=DESTROY)).applicable


def test_forgetting_counts_as_deleting() -> None:
    world = _definitions(19)
    gone = {address: given for address, given in world.items() if address not in [f"corp/d{n}" for n in range(7)]}
    plan = make_plan(inputs_of(gone, world, gone))
    (block,) = plan.blocks
    assert block.why == "7 of 20 recorded objects would be forgotten"
    assert make_plan(inputs_of(gone, world, gone, options=PlanOptions(allow_deletes=7))).applicable


@pytest.mark.parametrize("count", [3, 19])
@pytest.mark.parametrize("destroy", [False, True])
def test_forgetting_everything_is_blocked_even_by_destroy(count: int, destroy: bool) -> None:
    """An unmounted disk looks like this."""
    plan = make_plan(inputs_of({}, _definitions(count), {}, options=PlanOptions(destroy=destroy)))
    (block,) = plan.blocks
    assert f"--allow-deletes {count + 1}" in block.remedy
    options = PlanOptions(destroy=destroy, allow_deletes=count + 1)
    assert make_plan(inputs_of({}, _definitions(count), {}, options=options)).applicable


def test_what_the_journal_says_was_deleted_is_forgotten_without_a_question() -> None:
    world = _definitions(3)
    journal = dict.fromkeys(world, "delete")
    assert make_plan(inputs_of({}, world, {}, journal=journal, options=DESTROY)).applicable


def test_what_is_removed_by_name_is_forgotten_without_a_question() -> None:
    assert make_plan(inputs_of({}, WORLD, removals={GALLERY: False})).applicable


def test_retaining_everything_at_once_is_forgetting_everything() -> None:
    recorded = {address: {"$retain": True} for address in WORLD}
    assert make_plan(inputs_of({}, recorded)).blocks


def test_manifests_that_declare_nothing_are_blocked_in_a_sentence_of_their_own() -> None:
    world = _definitions(3)
    (block,) = make_plan(inputs_of({}, world)).blocks
    assert block.why == "the manifests declare nothing, and 4 of 4 recorded objects would be deleted or forgotten"
    assert "reconciler destroy" in block.remedy
    assert make_plan(inputs_of({}, world, options=PlanOptions(allow_deletes=4))).applicable
    assert make_plan(inputs_of({}, world, removals={GALLERY: True})).applicable


def test_next_version_counts_by_number() -> None:
    assert next_version(frozenset({"1.9.0", "1.10.2"})) == "1.10.3"


def test_a_new_rule_is_one_function_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def creations_freeze(change: ResourceChange, _context: SafetyContext) -> Block | None:
        return Block("nothing is created today", "wait") if change.action is Action.CREATE else None

    monkeypatch.setattr(safety, "RULES", (*safety.RULES, creations_freeze))
    plan = make_plan(inputs_of(WORLD, without(VERSION, EAST, WEST)))
    assert block_of(plan, VERSION) == Block("nothing is created today", "wait")
    assert not plan.applicable
