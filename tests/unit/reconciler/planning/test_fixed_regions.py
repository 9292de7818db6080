"""What a service would refuse whoever consents: a region of a version that does not permit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from support.worlds import CAPABILITIES, inputs_of

from reconciler.planning.actions import Block
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan

World = dict[str, dict[str, Any]]
V1 = "corp/web/1.0.0"
REMOVABLE = {"safety": {"allowDeletionOfReplicatedLocations": True}}


def blocked(plan: Plan) -> Mapping[str, Block]:
    return {str(change.address): change.block for change in plan.changes if change.block}


def on_a_service(desired: World, observed: World | None = None, **options: Any) -> Plan:
    """The plan where a region only goes if its version permits it."""
    recorded: World = {"corp": {}, "corp/web": {}, V1: {}, f"{V1}@eastus": {}, f"{V1}@westus": {}}
    inputs = inputs_of(desired, recorded, observed, options=PlanOptions(**options))
    strict = replace(CAPABILITIES, regions_need_permission=True)
    return make_plan(replace(inputs, capabilities={"default": strict}))


@pytest.mark.parametrize(("given", "refused"), [({}, True), (REMOVABLE, False)])
def test_what_a_service_would_refuse_is_said_by_the_plan(given: dict[str, Any], *, refused: bool) -> None:
    """Consent by name is no permission of the version."""
    gone = {"corp": {}, "corp/web": {}, V1: given, f"{V1}@eastus": {}}
    found = blocked(on_a_service(gone, allow_loss=(V1,)))
    assert (f"{V1}@westus" in found) == refused
    if refused:
        assert found[f"{V1}@westus"].why == f"{V1} does not allow its regions to be removed"


def test_a_version_that_goes_as_a_whole_needs_no_permission() -> None:
    assert not blocked(on_a_service({"corp": {}, "corp/web": {}}, allow_loss=(V1,)))


def test_a_damaged_copy_needs_no_permission() -> None:
    whole: World = {"corp": {}, "corp/web": {}, V1: {}, f"{V1}@eastus": {}, f"{V1}@westus": {}}
    damaged = {**whole, f"{V1}@westus": {"$condition": "damaged", "$defects": ["it is short"]}}
    plan = on_a_service(whole, damaged)
    assert not blocked(plan)
    assert [str(change.address) for change in plan.changes] == [f"{V1}@westus"]
