"""How plans lower to operations, and in which order these may run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from support.worlds import inputs_of

from reconciler.applying.operations import OperationKey, Phase, PlannedOperation, operations
from reconciler.applying.ordering import operation_graph
from reconciler.graph import Edge
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


NEW = "corp/ubuntu/1.1.0"
LOSS = PlanOptions(allow_loss=("corp",))


def test_a_version_is_retired_after_another_is_published_where_it_was() -> None:
    """1.1.0 takes the place of 1.0.0 in eastus; 2.0.0 is only in northeurope, and does not matter to it."""
    desired: World = {GALLERY: {}, DEFINITION: {}, NEW: {}, f"{NEW}@eastus": {}, V2: {}, f"{V2}@northeurope": {}}
    inputs = inputs_of(desired, WORLD, options=LOSS)
    planned = operations(make_plan(inputs), inputs.state.records, WRITER)
    edges = [(str(one.unit), str(then.unit)) for one, then, kind in edges_of(planned, inputs) if kind is Edge.RETIRES]
    assert edges == [(NEW, V1)]


def edges_of(
    planned: dict[OperationKey, PlannedOperation], inputs: PlanInputs
) -> Iterator[tuple[OperationKey, OperationKey, Edge]]:
    return operation_graph(planned, inputs.state.records).edges()


def test_a_region_is_retired_on_its_own_where_another_version_is_published() -> None:
    """1.0.0 gets another replica in eastus and leaves westus, where 1.1.0 is published; which is built from 1.0.0."""
    desired = {
        **{address: given for address, given in WORLD.items() if address != WEST},
        V1: REMOVABLE,
        EAST: {"replicas": 2},
        NEW: {"source": {"version": V1}},
        f"{NEW}@westus": {},
    }
    steps, order = lowered(inputs_of(desired, {**WORLD, V1: REMOVABLE}))
    assert steps[key(V1, Phase.RETIRE)] == [(Verb.DELETE, WEST)]
    assert order == [key(V1, Phase.APPLY), key(NEW, Phase.APPLY), key(V1, Phase.RETIRE)]


def test_retiring_never_closes_a_circle() -> None:
    """1.0.0 is replaced, 2.0.0 was built from it and goes: its delete comes before that of 1.0.0, and cannot wait."""
    recorded: World = {**WORLD, V2: {"source": {"version": V1}}, f"{V2}@eastus": {}}
    desired = {**WORLD, V1: {"hostCaching": "ReadOnly"}}
    options = PlanOptions(allow_replace=(V1,), allow_loss=(V2,))
    _, order = lowered(inputs_of(desired, recorded, options=options))
    assert order == [key(V2, Phase.DELETE), key(V1, Phase.DELETE), key(V1, Phase.APPLY)]
    container = PlanOptions(allow_replace=("corp",), allow_loss=("corp",))
    moved = {**WORLD, DEFINITION: {"location": "westus"}}
    _, order = lowered(inputs_of(moved, recorded, options=container))
    assert order.index(key(V2, Phase.DELETE)) < order.index(key(V1, Phase.APPLY))


def test_a_staged_replacement_is_one_operation() -> None:
    north = f"{V1}@northeurope"
    desired = {**WORLD, V1: {**REMOVABLE, "hostCaching": "ReadOnly"}, north: {}}
    del desired[WEST]
    options = PlanOptions(allow_replace=(V1,), allow_loss=(WEST,))
    inputs = inputs_of(desired, {**WORLD, V1: REMOVABLE}, options=options, stages_replacements=True)
    steps, _ = lowered(inputs)
    assert steps == {
        key(V1, Phase.APPLY): [
            (Verb.REPLACE, V1),
            (Verb.REPLACE, EAST),
            (Verb.CREATE, north),
            (Verb.DELETE, WEST),
        ]
    }
    (planned,) = operations(make_plan(inputs), inputs.state.records, WRITER).values()
    assert planned.operation.computed == {}
    assert planned.operation.version is not None
    assert planned.operation.version["hostCaching"] == "ReadOnly"


def test_a_replaced_container_cannot_stage_what_is_in_it() -> None:
    changed = {**WORLD, DEFINITION: {"location": "westus"}, V1: {"hostCaching": "ReadOnly"}}
    options = PlanOptions(allow_replace=(DEFINITION, V1))
    steps, _ = lowered(inputs_of(changed, WORLD, options=options, stages_replacements=True))
    assert key(V1, Phase.DELETE) in steps
