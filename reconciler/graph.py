"""`ResourceGraph`: what comes before what. The only module that imports networkx, and only when a graph is built.

Edges point from what comes first to what follows, marked CONTAINS, REFERS or RETIRES.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reconciler.errors import Cycle, ReferenceCycle
from reconciler.manifests.address import Address
from reconciler.manifests.resource import Resource

if TYPE_CHECKING:
    from networkx import DiGraph

Node = TypeVar("Node", bound=Hashable)


class Edge(StrEnum):
    CONTAINS = "contains"
    REFERS = "refers"
    RETIRES = "retires"  # what is deleted waits for what takes its place


class OrderedGraph(Generic[Node]):
    """A graph of nodes, each of which waits for those before it. `sort_key` makes every result deterministic."""

    def __init__(self, sort_key: Callable[[Node], Any]) -> None:
        import networkx

        self._graph: DiGraph[Node] = networkx.DiGraph()
        self._sort_key = sort_key

    def add(self, node: Node) -> None:
        self._graph.add_node(node)

    def connect(self, first: Node, then: Node, edge: Edge = Edge.CONTAINS) -> None:
        """Adds an edge: `first` comes before `then`. Both are added when they are new."""
        self._graph.add_edge(first, then, edge=edge)

    def edge(self, first: Node, then: Node) -> Edge:
        """What the edge between two nodes means. Raises: KeyError when there is none."""
        kind: Edge = self._graph.edges[first, then]["edge"]
        return kind

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
            raise ValueError(f"steps wait for each other: {self.cycles()}. This is a bug.") from cause

    def cycles(self) -> tuple[tuple[tuple[Node, ...], tuple[Node, ...]], ...]:
        """For each set of nodes that all come before each other: one cycle among them, in order, and the other members,
        sorted. Cycles start at their smallest node and are sorted by it."""
        import networkx

        key = self._sort_key
        knots = [
            nodes
            for nodes in networkx.strongly_connected_components(self._graph)
            if len(nodes) > 1 or self._graph.has_edge(*nodes, *nodes)
        ]
        cycles = []
        for nodes in knots:
            cycle = [edge[0] for edge in networkx.find_cycle(self._graph.subgraph(nodes), min(nodes, key=key))]
            start = cycle.index(min(cycle, key=key))
            cycles.append(((*cycle[start:], *cycle[:start]), tuple(sorted(nodes.difference(cycle), key=key))))
        return tuple(sorted(cycles, key=lambda cycle: key(cycle[0][0])))

    def following(self, node: Node) -> tuple[Node, ...]:
        """The nodes right after this one, sorted."""
        return tuple(sorted(self._graph.successors(node), key=self._sort_key))

    def descendants(self, node: Node) -> tuple[Node, ...]:
        """All nodes that come after this one, directly or not, sorted."""
        import networkx

        return tuple(sorted(networkx.descendants(self._graph, node), key=self._sort_key))

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

    Raises: ReferenceCycle, with every cycle and all its members.
    """
    pairs = sorted(references)
    if not pairs:
        return
    graph = OrderedGraph[Address](lambda address: address.sort_key)
    for source, built in pairs:
        graph.connect(source, built, Edge.REFERS)
    if cycles := graph.cycles():
        raise ReferenceCycle([Cycle(path, others) for path, others in cycles], place)
