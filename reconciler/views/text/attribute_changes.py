"""One changed attribute in a line: the elements of a list or map that changed, or the values before and after."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.manifests.words import without_secrets
from reconciler.planning.actions import AttributeChange, ElementChange
from reconciler.views.terminal.units import shortened, transition, value_text

_MOST = 4
"""How many elements are shown."""


def change_text(change: AttributeChange) -> str:
    """`+ added  - removed` for a list or a map, `before -> after` for everything else; or the note, if there is one."""
    if change.note:
        return change.note
    if not change.elements:
        before, after = transition(change.path, change.before, change.after)
        return f"{before} -> {after}"
    more = len(change.elements) - _MOST + change.more_elements
    shown = [_element_text(element) for element in change.elements[:_MOST]]
    return "  ".join([*shown, *([f"and {more:,} more"] if more > 0 else [])])


def _element_text(element: ElementChange) -> str:
    key = f"{element.key}=" if element.key else ""
    values = [shortened(without_secrets(value_text(value))) for value in _values(element)]
    symbol = "~" if len(values) > 1 else "+" if element.before is None else "-"
    return f"{symbol} {key}{' -> '.join(values)}"


def _values(element: ElementChange) -> Iterator[object]:
    return (value for value in (element.before, element.after) if value is not None)
