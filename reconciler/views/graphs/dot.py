"""The graph of resources in Graphviz's language."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reconciler.graph import Edge, ResourceGraph
from reconciler.manifests.address import Address, Kind
from reconciler.views.terminal.escaping import printable

_SHAPES = {
    Kind.GALLERY: "folder",
    Kind.IMAGE_DEFINITION: "box",
    Kind.IMAGE_VERSION: "box3d",
    Kind.TARGET_REGION: "ellipse",
}


def dot_text(graph: ResourceGraph, nodes: Collection[Address]) -> str:
    """A digraph of `nodes`; solid edges mean contains, dashed ones refers to."""
    return "\n".join(["digraph resources {", "  rankdir=LR;", *_body(graph, nodes), "}", ""])


def _body(graph: ResourceGraph, nodes: Collection[Address]) -> Iterator[str]:
    shown = set(nodes)
    for node in sorted(shown, key=lambda address: address.sort_key):
        label = f"@{node.region}" if node.region else node.name
        yield f"  {_quoted(str(node))} [label={_quoted(label)}, shape={_SHAPES[node.kind]}];"
    for first, then, edge in graph.edges():
        if first in shown and then in shown:
            style = " [style=dashed]" if edge is Edge.REFERS else ""
            yield f"  {_quoted(str(first))} -> {_quoted(str(then))}{style};"


def _quoted(text: str) -> str:
    escaped = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
