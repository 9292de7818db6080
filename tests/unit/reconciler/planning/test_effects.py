"""What a plan does to those who use the images, and what consents to it."""

from __future__ import annotations

from typing import Any

import pytest
from support.worlds import inputs_of

from reconciler.manifests.address import Address
from reconciler.planning.actions import Action, Effect, EffectKind, Reason
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.planning.sources import SourceCheck, SourceStatus

World = dict[str, dict[str, Any]]
V1, V2 = "corp/web/1.0.0", "corp/web/1.1.0"
EAST, WEST = f"{V1}@eastus", f"{V1}@westus"
WORLD: World = {
    "corp": {},
    "corp/web": {},
    V1: {"$disks": {"os": {"size": 512, "sha256": "11"}}},
    EAST: {},
    WEST: {},
    V2: {"$disks": {"os": {"size": 512, "sha256": "22"}}},
    f"{V2}@eastus": {},
}
REMOVABLE = {"safety": {"allowDeletionOfReplicatedLocations": True, "blockDeletionBeforeEndOfLife": False}}
STORAGE = {"storageAccountType": "Premium_LRS"}


def without(world: World, *prefixes: str) -> World:
    return {address: given for address, given in world.items() if not address.startswith(prefixes)}


def effects(plan: Plan, address: str) -> dict[EffectKind, Effect]:
    change = next(change for change in plan.changes if change.address == Address.parse(address))
    return {effect.kind: effect for effect in change.effects}


def loss(*addresses: str) -> PlanOptions:
    return PlanOptions(allow_loss=addresses)


def test_an_old_version_is_retired_by_name_only() -> None:
    plan = make_plan(inputs_of(without(WORLD, V1), WORLD))
    found = effects(plan, V1)
    assert found[EffectKind.LEAVES].text == "corp/web/1.0.0 leaves eastus, westus"
    assert found[EffectKind.LAST_COPY].text == "no other copy of its image exists: corp/web/1.0.0"
    assert found[EffectKind.LATEST].text == "latest goes down: corp/web westus 1.0.0 -> none"
    (blocked,) = plan.blocked
    assert blocked.block is not None
    assert blocked.block.remedy == (
        "keep its document; or write kind: Removed with destroy: true for it, or allow it with --allow-loss "
        "corp/web/1.0.0"
    )


@pytest.mark.parametrize("named", [V1, "corp/web", "corp"])
def test_consent_holds_for_an_address_and_all_in_it(named: str) -> None:
    plan = make_plan(inputs_of(without(WORLD, V1), WORLD, options=loss(named)))
    assert plan.applicable
    assert {effect.consent for effect in effects(plan, V1).values()} == {f"--allow-loss {named}"}


@pytest.mark.parametrize("named", [V2, EAST])
def test_consent_holds_for_nothing_else(named: str) -> None:
    assert not make_plan(inputs_of(without(WORLD, V1), WORLD, options=loss(named))).applicable


def test_a_removed_document_is_consent() -> None:
    plan = make_plan(inputs_of(without(WORLD, V1), WORLD, removals={V1: True}))
    assert plan.applicable
    assert {effect.consent for effect in effects(plan, V1).values()} == {f"kind: Removed of {V1}"}


def test_one_number_does_not_consent() -> None:
    assert not make_plan(inputs_of(without(WORLD, V1), WORLD, options=PlanOptions(allow_deletes=99))).applicable


def test_latest_that_goes_down_names_what_it_becomes() -> None:
    plan = make_plan(inputs_of(without(WORLD, V2), WORLD))
    assert effects(plan, V2)[EffectKind.LATEST].text == "latest goes down: corp/web eastus 1.1.0 -> 1.0.0"


def test_the_same_bytes_under_another_address_are_a_copy() -> None:
    twin: World = {"lab": {}, "lab/web": {}, "lab/web/1.0.0": WORLD[V1], "lab/web/1.0.0@eastus": {}}
    kept = make_plan(inputs_of(without({**WORLD, **twin}, V1), {**WORLD, **twin}))
    assert EffectKind.LAST_COPY not in effects(kept, V1)
    both = make_plan(inputs_of(without({**WORLD, **twin}, V1, "lab/web/"), {**WORLD, **twin}))
    assert EffectKind.LAST_COPY in effects(both, V1)
    damaged = {**WORLD, **twin, "lab/web/1.0.0@eastus": {"$condition": "damaged"}}
    assert EffectKind.LAST_COPY in effects(
        make_plan(inputs_of(without({**WORLD, **twin}, V1), {**WORLD, **twin}, damaged)), V1
    )


def test_the_last_version_of_a_definition() -> None:
    plan = make_plan(inputs_of(without(WORLD, V1, V2), WORLD))
    assert effects(plan, V2)[EffectKind.LAST_VERSION].text == "corp/web has no version left"


def test_a_container_has_one_row_for_all_that_goes_with_it() -> None:
    plan = make_plan(inputs_of({"corp": {}}, WORLD))
    (blocked,) = plan.blocked
    assert str(blocked.address) == "corp/web"
    found = effects(plan, "corp/web")
    assert found[EffectKind.LEAVES].text == "corp/web/1.0.0, corp/web/1.1.0 leave eastus, westus"
    assert blocked.block is not None
    assert blocked.block.remedy.endswith("--allow-loss corp/web")
    assert make_plan(inputs_of({"corp": {}}, WORLD, options=loss(V1, V2))).applicable


@pytest.mark.parametrize("change", ["delete", "replace"])
def test_a_region_leaves_only_where_the_version_allows_it(change: str) -> None:
    """A changed storage type takes the copies away for a while, which is the same to those who need them."""

    def plan(version: dict[str, Any], options: PlanOptions | None = None) -> Plan:
        desired = {**WORLD, V1: {**WORLD[V1], **version}, WEST: STORAGE}
        if change == "delete":
            del desired[WEST]
        return make_plan(inputs_of(desired, {**WORLD, V1: {**WORLD[V1], **version}}, options=options))

    refused = plan({})
    (blocked,) = refused.blocked
    assert str(blocked.address) == WEST
    assert blocked.block is not None
    assert "set safety.allowDeletionOfReplicatedLocations: true on the version" in blocked.block.remedy
    assert plan(REMOVABLE).applicable
    assert plan({}, loss(WEST)).applicable
    assert plan({}, PlanOptions(allow_replace=(WEST,))).applicable is (change == "replace")


def test_what_is_latest_meanwhile_is_said() -> None:
    plan = make_plan(inputs_of({**WORLD, f"{V2}@eastus": STORAGE}, WORLD))
    assert effects(plan, f"{V2}@eastus")[EffectKind.AWAY].text == (
        "corp/web/1.1.0 cannot be used in eastus until the new copies are there; until then latest is eastus 1.0.0"
    )


def test_regions_may_go_but_not_with_the_last_whole_copy() -> None:
    desired = without({**WORLD, V1: {**WORLD[V1], **REMOVABLE}}, WEST)
    observed = {**WORLD, V1: {**WORLD[V1], **REMOVABLE}, EAST: {"$condition": "damaged"}}
    plan = make_plan(inputs_of(desired, {**WORLD, V1: desired[V1]}, observed))
    (blocked,) = plan.blocked
    assert blocked.block is not None
    assert blocked.block.why == "no other copy of its image exists: corp/web/1.0.0"
    assert blocked.block.remedy == f"if that is intended, allow it with --allow-loss {WEST}"


def test_a_published_version_without_a_record_is_published_all_the_same() -> None:
    """It was retained or forgotten, and its number is declared again with another image."""
    recorded: World = {"corp": {}, "corp/web": {}}
    observed = {**recorded, V1: {}, EAST: {}}
    desired = {**observed, V1: {"source": {"file": "images/b.raw"}}}
    plan = make_plan(inputs_of(desired, recorded, observed))
    assert [str(change.address) for change in plan.blocked] == [V1]
    allowed = make_plan(inputs_of(desired, recorded, observed, options=PlanOptions(allow_replace=(V1,))))
    assert {EffectKind.AWAY, EffectKind.LAST_COPY} <= effects(allowed, V1).keys()


@pytest.mark.parametrize("address", [V1, "corp/web", "corp"])
def test_replacing_by_name_covers_the_gap(address: str) -> None:
    changed = {"hostCaching": "ReadOnly"} if address == V1 else {"location": "westus"}
    options = PlanOptions(allow_replace=(address,))
    plan = make_plan(inputs_of({**WORLD, address: {**WORLD[address], **changed}}, WORLD, options=options))
    assert plan.applicable
    (away,) = effects(plan, address).values()
    assert (away.kind, away.consent) == (EffectKind.AWAY, f"--allow-replace {address}")


def test_excluding_a_version_from_latest_is_an_order_by_name_unless_nothing_remains() -> None:
    excluded = {"excludeFromLatest": True}
    down = make_plan(inputs_of({**WORLD, f"{V2}@eastus": excluded}, WORLD))
    assert down.applicable
    assert effects(down, f"{V2}@eastus")[EffectKind.LATEST].consent == "excludeFromLatest"
    ends = make_plan(inputs_of({**WORLD, WEST: excluded}, WORLD))
    (blocked,) = ends.blocked
    assert str(blocked.address) == WEST


def test_what_is_unfinished_or_damaged_everywhere_is_no_last_copy() -> None:
    unfinished = {"$condition": "incomplete"}
    gone = make_plan(inputs_of(without(WORLD, V2), WORLD, {**WORLD, V2: unfinished, f"{V2}@eastus": unfinished}))
    assert gone.applicable
    damaged = make_plan(inputs_of(without(WORLD, V2), WORLD, {**WORLD, f"{V2}@eastus": {"$condition": "damaged"}}))
    assert effects(damaged, V2).keys() == {EffectKind.LEAVES}


def test_retaining_and_forgetting_take_nothing_away() -> None:
    retained = {address: {**given, "$retain": True} for address, given in WORLD.items()}
    kept = make_plan(inputs_of(without(WORLD, V1), {**WORLD, **{key: retained[key] for key in (V1, EAST, WEST)}}))
    assert kept.applicable
    assert kept.latest == ()


def test_staged_replacements_leave_no_gap() -> None:
    desired = {**WORLD, V1: {**WORLD[V1], "hostCaching": "ReadOnly"}}
    options = PlanOptions(allow_replace=(V1,))
    plan = make_plan(inputs_of(desired, WORLD, options=options, stages_replacements=True))
    assert effects(plan, V1) == {}
    (version,) = [change for change in plan.changes if change.address == Address.parse(V1)]
    assert version.staged
    container = make_plan(
        inputs_of(
            {**desired, "corp/web": {"location": "westus"}}, WORLD, options=loss("corp"), stages_replacements=True
        )
    )
    assert not any(change.staged for change in container.changes)


def test_a_change_of_a_fixed_home_region_replaces_the_version() -> None:
    desired = {**WORLD, EAST: STORAGE}
    plan = make_plan(inputs_of(desired, WORLD, home_region_fixed=True))
    version = next(change for change in plan.changes if change.address == Address.parse(V1))
    assert (version.action, version.reason) == (Action.REPLACE, Reason.IMMUTABLE)
    assert [item.path for item in version.changes] == ["targetRegions.eastus.storageAccountType"]
    assert version.block is not None
    assert version.block.why == "a published version cannot change its targetRegions"
    others = make_plan(inputs_of({**WORLD, WEST: STORAGE}, WORLD, home_region_fixed=True, options=loss(WEST)))
    assert [str(change.address) for change in others.changes] == [WEST]
    free = make_plan(inputs_of(desired, WORLD, options=loss(EAST)))
    assert [str(change.address) for change in free.changes] == [EAST]


@pytest.mark.parametrize("status", [SourceStatus.GONE, SourceStatus.CHANGED])
def test_a_version_is_not_replaced_from_a_source_that_cannot_be_read(status: SourceStatus) -> None:
    missing = {V1: {"os": SourceCheck(status, problem="'images/a.raw' is missing", remedy="restore it")}}
    replaced = {**WORLD, "corp/web": {"osState": "Specialized"}}
    plan = make_plan(inputs_of(replaced, WORLD, sources=missing, options=PlanOptions(allow_replace=("corp/web",))))
    (problem,) = plan.errors
    assert str(problem.address) == V1
    assert problem.summary == "the source of disk os cannot be used: 'images/a.raw' is missing"


def test_a_source_that_is_gone_is_no_change_of_what_was_published_from_it() -> None:
    missing = {V1: {"os": SourceCheck(SourceStatus.GONE, problem="it is missing")}}
    assert make_plan(inputs_of(WORLD, WORLD, sources=missing)).changes == ()


def test_a_consent_that_names_nothing_is_an_error() -> None:
    plan = make_plan(inputs_of(WORLD, WORLD, options=loss("corp/wbe")))
    (problem,) = plan.errors
    assert problem.summary == "--allow-loss corp/wbe: no such address is declared or recorded"
