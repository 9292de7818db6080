"""Which operation waits for which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from reconciler.applying.operations import OperationKey, Phase, PlannedOperation
from reconciler.graph import Edge, OrderedGraph
from reconciler.manifests.address import Address, version_number
from reconciler.providers.protocol import Step, Verb
from reconciler.state.records import Record

OperationGraph = OrderedGraph[OperationKey]


def operation_graph(
    planned: Mapping[OperationKey, PlannedOperation], records: Mapping[Address, Record]
) -> OperationGraph:
    """What waits for what: children wait for their containers, and deletes the other way round; a version for the
    versions it is built from, and the delete of a version for that of everything built from it, as recorded, and for
    the versions of its definition that are published in the same regions."""
    graph = OrderedGraph[OperationKey](lambda key: key.sort_key)
    for key, operation in planned.items():
        graph.add(key)
        container = _nearest_container(key, planned)
        if key.phase is Phase.DELETE:
            if (again := OperationKey(key.unit, Phase.APPLY)) in planned:
                graph.connect(key, again)
            if container:
                graph.connect(key, container)
        elif container:
            graph.connect(container, key)
        if key.phase is Phase.RETIRE:
            graph.connect(OperationKey(key.unit, Phase.APPLY), key)
        if key.unit.version:
            _connect_references(graph, key, operation, planned, records.get(key.unit))
    _connect_retirements(graph, planned)
    return graph


def _nearest_container(key: OperationKey, planned: Mapping[OperationKey, PlannedOperation]) -> OperationKey | None:
    above = key.unit.parent
    while above is not None:
        if (container := OperationKey(above, key.phase)) in planned:
            return container
        above = above.parent
    return None


def _connect_references(
    graph: OperationGraph,
    key: OperationKey,
    operation: PlannedOperation,
    planned: Mapping[OperationKey, PlannedOperation],
    record: Record | None,
) -> None:
    if key.phase is Phase.APPLY:
        for reference in operation.sources:
            if (source := OperationKey(reference, Phase.APPLY)) in planned:
                graph.connect(source, key, Edge.REFERS)
    for dependency in record.dependencies if record else ():
        gone = OperationKey(dependency, Phase.DELETE)
        pure = OperationKey(dependency, Phase.APPLY) not in planned
        if dependency.version and gone in planned and (key.phase is Phase.DELETE or pure):
            graph.connect(key, gone, Edge.REFERS)


_MOST_AWAITED = 50
"""How many new versions the delete of one waits for, the greatest first: one of them is what becomes latest."""


def _connect_retirements(graph: OperationGraph, planned: Mapping[OperationKey, PlannedOperation]) -> None:
    """Publish, then retire: what removes copies of a version waits for what makes copies of other versions of its
    definition in the same regions. Left out where something that is published waits for the delete, as in a container
    that is replaced."""
    publishing: dict[Address, list[OperationKey]] = defaultdict(list)
    for key, operation in planned.items():
        if key.unit.version and key.phase is Phase.APPLY and _regions_of(operation, *_PUBLISHES):
            publishing[key.unit._replace(version="")].append(key)
    for keys in publishing.values():
        keys.sort(key=lambda key: version_number(key.unit.version), reverse=True)
    for key, operation in list(planned.items()):
        if not key.unit.version or key.phase is Phase.APPLY or not _may_wait(graph, key):
            continue
        regions = _regions_of(operation, Verb.DELETE)
        awaited = [
            other
            for other in publishing.get(key.unit._replace(version=""), ())
            if other.unit != key.unit and _regions_of(planned[other], *_PUBLISHES) & regions
        ]
        for other in awaited[:_MOST_AWAITED]:
            graph.connect(other, key, Edge.RETIRES)


_PUBLISHES = (Verb.CREATE, Verb.REPLACE)


def _regions_of(operation: PlannedOperation, *verbs: Verb) -> frozenset[str]:
    """The regions in which an operation has a step with one of these verbs."""
    steps = operation.operation.steps
    return frozenset(step.address.region for step in steps if step.address.region and step.verb in verbs)


def _may_wait(graph: OperationGraph, key: OperationKey) -> bool:
    """Whether nothing that is made waits for this delete; then waiting closes no circle."""
    return all(follower.phase is Phase.DELETE for follower in graph.descendants(key))


def held_back_by(failed: Iterable[Step], operation: PlannedOperation) -> Step | None:
    """The failed step in whose region `operation`, which waited for it, would remove copies; None if there is none."""
    regions = _regions_of(operation, Verb.DELETE)
    return next((step for step in failed if step.verb in _PUBLISHES and step.address.region in regions), None)
