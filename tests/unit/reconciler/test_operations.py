"""How plans lower to operations, and in which order these may run."""

from __future__ import annotations

from typing import Any

from support.worlds import inputs_of

from reconciler.applying.operations import OperationKey, Phase, operation_graph, operations
from reconciler.manifests.address import Address
from reconciler.planning.draft import PlanInputs
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.providers.owner import Owner, Writer
from reconciler.providers.protocol import Verb

GALLERY, DEFINITION, V1, V2 = "corp", "corp/ubuntu", "corp/ubuntu/1.0.0", "corp/ubuntu/2.0.0"
EAST, WEST = f"{V1}@eastus", f"{V1}@westus"
WRITER = Writer(Owner("lineage-1"))
World = dict[str, dict[str, Any]]
WORLD: World = {GALLERY: {}, DEFINITION: {}, V1: {}, EAST: {}, WEST: {}}
REMOVABLE = {"safety": {"allowDeletionOfReplicatedLocations": True, "blockDeletionBeforeEndOfLife": False}}


def key(address: str, phase: Phase) -> OperationKey:
    return OperationKey(Address.parse(address), phase)


def lowered(inputs: PlanInputs) -> tuple[dict[OperationKey, list[tuple[Verb, str]]], list[OperationKey]]:
    planned = operations(make_plan(inputs), inputs.state.records, WRITER)
    order = operation_graph(planned, inputs.state.records).order()
    steps = {k: [(step.verb, str(step.address)) for step in p.operation.steps] for k, p in planned.items()}
    return steps, list(order)


def test_a_version_and_its_regions_are_one_operation() -> None:
    """corp -> ubuntu -> (1.0.0, @eastus, @westus)"""
    steps, order = lowered(inputs_of(WORLD, {}, {}))
    assert order == [key(GALLERY, Phase.APPLY), key(DEFINITION, Phase.APPLY), key(V1, Phase.APPLY)]
    assert steps[key(V1, Phase.APPLY)] == [(Verb.CREATE, V1), (Verb.CREATE, EAST), (Verb.CREATE, WEST)]


def test_deletes_run_from_the_inside_out() -> None:
    steps, order = lowered(inputs_of({}, WORLD))
    assert order == [key(V1, Phase.DELETE), key(DEFINITION, Phase.DELETE), key(GALLERY, Phase.DELETE)]
    assert steps[key(V1, Phase.DELETE)] == [(Verb.DELETE, EAST), (Verb.DELETE, WEST), (Verb.DELETE, V1)]


def test_a_replaced_gallery_goes_inside_out_and_comes_back_outside_in() -> None:
    options = PlanOptions(allow_replace=(GALLERY,))
    _, order = lowered(inputs_of({**WORLD, GALLERY: {"location": "westus"}}, WORLD, options=options))
    assert order == [
        key(V1, Phase.DELETE),
        key(DEFINITION, Phase.DELETE),
        key(GALLERY, Phase.DELETE),
        key(GALLERY, Phase.APPLY),
        key(DEFINITION, Phase.APPLY),
        key(V1, Phase.APPLY),
    ]


def test_region_changes_of_one_version_go_together_and_leaving_ones_last() -> None:
    north = f"{V1}@northeurope"
    desired = {**WORLD, V1: REMOVABLE, EAST: {"replicas": 2}, north: {}}
    del desired[WEST]
    steps, _ = lowered(inputs_of(desired, {**WORLD, V1: REMOVABLE}))
    assert steps == {
        key(V1, Phase.APPLY): [(Verb.UPDATE, EAST), (Verb.CREATE, north), (Verb.DELETE, WEST)],
    }


def test_a_damaged_region_is_replaced_by_one_step() -> None:
    observed = {**WORLD, WEST: {"$condition": "damaged"}}
    steps, _ = lowered(inputs_of(WORLD, WORLD, observed))
    assert steps == {key(V1, Phase.APPLY): [(Verb.REPLACE, WEST)]}


def test_what_is_built_from_a_version_waits_for_it() -> None:
    """1.0.0 is built from 2.0.0, against the order of their names."""
    world = {**WORLD, V1: {"source": {"version": V2}}, V2: {}}
    _, order = lowered(inputs_of(world, {}, {}))
    assert order.index(key(V2, Phase.APPLY)) < order.index(key(V1, Phase.APPLY))


def test_a_version_is_deleted_after_what_was_built_from_it() -> None:
    world = {**WORLD, V2: {"source": {"version": V1}}}
    _, order = lowered(inputs_of({}, world))
    assert order.index(key(V2, Phase.DELETE)) < order.index(key(V1, Phase.DELETE))


def test_copies_made_later_must_have_the_recorded_digests() -> None:
    inputs = inputs_of({**WORLD, f"{V1}@northeurope": {}}, WORLD)
    (planned,) = operations(make_plan(inputs), inputs.state.records, WRITER).values()
    assert planned.operation.computed["disks"]["os"]["sha256"] == "aa"
    options = PlanOptions(allow_replace=(V1,))
    anew = inputs_of({**WORLD, V1: {"hostCaching": "ReadOnly"}}, WORLD, options=options)
    assert operations(make_plan(anew), anew.state.records, WRITER)[key(V1, Phase.APPLY)].operation.computed == {}
