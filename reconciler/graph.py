"""`ResourceGraph`: what comes before what. The only door to networkx, which is imported when a graph is built.

Edges point from what comes first to what follows, marked CONTAINS or REFERS.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reconciler.errors import ReferenceCycle
from reconciler.manifests.address import Address
from reconciler.manifests.resource import Resource

if TYPE_CHECKING:
    from networkx import DiGraph

Node = TypeVar("Node", bound=Hashable)


class Edge(StrEnum):
    CONTAINS = "contains"
    REFERS = "refers"


class OrderedGraph(Generic[Node]):
    """A graph of steps, each of which waits for those before it. `sort_key` makes every answer deterministic."""

    def __init__(self, sort_key: Callable[[Node], Any]) -> None:
        import networkx

        self._graph: DiGraph[Node] = networkx.DiGraph()
        self._sort_key = sort_key

    def add(self, node: Node) -> None:
        self._graph.add_node(node)

    def connect(self, first: Node, then: Node, edge: Edge = Edge.CONTAINS) -> None:
        """Says that `first` comes before `then`; both are added when they are new."""
        self._graph.add_edge(first, then, edge=edge)

    def __contains__(self, node: object) -> bool:
        return node in self._graph

    def __len__(self) -> int:
        return len(self._graph)

    def order(self) -> tuple[Node, ...]:
        """Every node after all that come before it; ties by `sort_key`. Raises: ValueError when there is a cycle."""
        import networkx

        try:
            return tuple(networkx.lexicographical_topological_sort(self._graph, key=self._sort_key))
        except networkx.NetworkXUnfeasible as cause:
            raise ValueError(f"steps wait for each other: {self.cycle()}. This is a bug.") from cause

    def cycle(self) -> tuple[Node, ...]:
        """One cycle, in order, or nothing."""
        import networkx

        try:
            return tuple(edge[0] for edge in networkx.find_cycle(self._graph))
        except networkx.NetworkXNoCycle:
            return ()

    def following(self, node: Node) -> tuple[Node, ...]:
        """The nodes right after this one, sorted."""
        return tuple(sorted(self._graph.successors(node), key=self._sort_key))

    def waits_for(self, node: Node) -> int:
        """How many nodes come right before this one."""
        return int(self._graph.in_degree(node))

    def edges(self) -> Iterator[tuple[Node, Node, Edge]]:
        """All edges, sorted."""
        key = self._sort_key
        for first, then in sorted(self._graph.edges, key=lambda pair: (key(pair[0]), key(pair[1]))):
            yield first, then, self._graph.edges[first, then]["edge"]


ResourceGraph = OrderedGraph[Address]


def resource_graph(resources: Mapping[Address, Resource]) -> ResourceGraph:
    """Containment and references among declared resources."""
    graph = OrderedGraph[Address](lambda address: address.sort_key)
    for address, resource in resources.items():
        graph.add(address)
        if (parent := address.parent) is not None and parent in resources:
            graph.connect(parent, address, Edge.CONTAINS)
        for reference in resource.references:
            graph.connect(reference, address, Edge.REFERS)
    return graph


def declared_references(resources: Mapping[Address, Resource]) -> Iterator[tuple[Address, Address]]:
    """(source, what is built from it) for every declared version that names another version as a source."""
    for address, resource in resources.items():
        for reference in resource.references:
            if reference.version:
                yield reference, address


def check_references(
    references: Iterable[tuple[Address, Address]], place: Callable[[Address], str] = lambda _: ""
) -> None:
    """Refuses versions that are built from each other; pairs are (source, what is built from it). `place` says where a
    version is declared.

    Raises: ReferenceCycle, naming every member.
    """
    pairs = sorted(references)
    if not pairs:
        return
    graph = OrderedGraph[Address](lambda address: address.sort_key)
    for source, built in pairs:
        graph.connect(source, built, Edge.REFERS)
    if cycle := graph.cycle():
        first = cycle.index(min(cycle, key=lambda address: address.sort_key))
        raise ReferenceCycle([*cycle[first:], *cycle[:first]], place)
