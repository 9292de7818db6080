"""The graph of resources as a Mermaid flowchart, which many code forges render in Markdown."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.graph import Edge, ResourceGraph
from reconciler.manifests.address import Address, Kind
from reconciler.views.terminal.escaping import printable

_SHAPES = {
    Kind.GALLERY: ("[(", ")]"),
    Kind.IMAGE_DEFINITION: ("[", "]"),
    Kind.IMAGE_VERSION: ("([", "])"),
    Kind.TARGET_REGION: ("((", "))"),
}


def mermaid_text(graph: ResourceGraph, nodes: Collection[Address]) -> str:
    """A flowchart of `nodes`; solid arrows mean contains, dotted ones refers to."""
    ids = {node: f"n{number}" for number, node in enumerate(sorted(nodes, key=lambda address: address.sort_key))}
    lines = ["flowchart LR"]
    for node, name in ids.items():
        before, after = _SHAPES[node.kind]
        label = f"@{node.region}" if node.region else node.name
        lines.append(f"  {name}{before}{_quoted(label)}{after}")
    for first, then, edge in graph.edges():
        if first in ids and then in ids:
            lines.append(f"  {ids[first]} {'-.->' if edge is Edge.REFERS else '-->'} {ids[then]}")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    """Entities are the only escapes that Mermaid knows in quoted labels."""
    escaped = printable(text).replace("#", "#35;").replace("&", "#amp;").replace('"', "#quot;")
    return '"' + escaped.replace("<", "#lt;").replace(">", "#gt;") + '"'
