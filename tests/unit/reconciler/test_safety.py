"""Each safety rule, with what sets it off and what lifts it."""

from __future__ import annotations

from typing import Any

import pytest
from support.worlds import inputs_of

from reconciler.manifests.address import Address
from reconciler.planning import safety
from reconciler.planning.actions import Action, Block, ResourceChange
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.planning.safety import SafetyContext, next_version

GALLERY, DEFINITION, VERSION = "corp", "corp/ubuntu", "corp/ubuntu/1.0.0"
EAST, WEST = f"{VERSION}@eastus", f"{VERSION}@westus"
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


def test_protect_is_lifted_by_the_manifest_alone() -> None:
    desired = {DEFINITION: {"osState": "Specialized"}}
    assert make_plan(inputs_of(desired, {DEFINITION: {"$protect": True}})).applicable


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
    assert make_plan(inputs_of(without(VERSION, EAST, WEST), WORLD)).applicable


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
    assert make_plan(inputs_of({}, _definitions(8))).applicable


def test_blast_radius_does_not_stop_destroy() -> None:
    assert make_plan(inputs_of({}, _definitions(19), options=PlanOptions(destroy=True))).applicable


def test_next_version_counts_by_number() -> None:
    assert next_version(frozenset({"1.9.0", "1.10.2"})) == "1.10.3"


def test_a_new_rule_is_one_function_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def creations_freeze(change: ResourceChange, _context: SafetyContext) -> Block | None:
        return Block("nothing is created today", "wait") if change.action is Action.CREATE else None

    monkeypatch.setattr(safety, "RULES", (*safety.RULES, creations_freeze))
    plan = make_plan(inputs_of(WORLD, without(VERSION, EAST, WEST)))
    assert block_of(plan, VERSION) == Block("nothing is created today", "wait")
    assert not plan.applicable
