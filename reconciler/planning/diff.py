"""`attribute_changes`: what differs between two sets of attributes of one kind. The only module that uses deepdiff."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Kind
from reconciler.manifests.identifiers.arm_ids import with_spelling_of
from reconciler.manifests.resource import Mutability, Rule
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.planning.actions import MOST_ELEMENTS, AttributeChange, ElementChange

if TYPE_CHECKING:
    from deepdiff.model import DiffLevel

_CHANGEABLE = frozenset({Mutability.IN_PLACE, Mutability.SHARING})


def attribute_changes(
    before: Attributes, after: Attributes, kind: Kind, write_flags: Collection[str] = ()
) -> tuple[AttributeChange, ...]:
    """Every attribute that differs, sorted by path; values are those of the innermost attribute that differs.

    Both sides must be canonical: keyed lists are objects there, so neither order nor spelling makes a difference; ids
    of Azure are compared without regard to case.
    `write_flags` are the flags that go along with the write: some let attributes change in place.
    """
    if before == after:
        return ()
    after = with_spelling_of(before, after)
    if before == after:
        return ()
    from deepdiff import DeepDiff

    # threshold_to_diff_deeper=0: deepdiff would otherwise report two objects without a common key as one change
    tree = DeepDiff(before, after, view="tree", threshold_to_diff_deeper=0, verbose_level=2)
    differences: dict[tuple[str, ...], list[DiffLevel]] = defaultdict(list)
    for levels in tree.values():
        for level in levels:
            differences[_attribute_path(level)].append(level)
    return tuple(
        _attribute_change(path, before, after, kind, write_flags, differences[path]) for path in sorted(differences)
    )


def with_values_of(attributes: Attributes, others: Attributes, paths: Iterable[str]) -> Attributes:
    """`attributes` with the value, or the absence, that `others` have at each of these dotted paths. Names may contain
    dots themselves, as those of tags do."""
    for path in paths:
        attributes = _with_value_at(attributes, others, path)
    return attributes


def _with_value_at(attributes: Attributes, others: Attributes, path: str) -> Attributes:
    result = dict(attributes)
    if path in attributes or path in others:
        result.pop(path, None)
        if path in others:
            result[path] = others[path]
        return result
    name = _first_name(path, attributes, others)
    own, other = attributes.get(name, {}), others.get(name, {})
    if name and isinstance(own, Mapping) and isinstance(other, Mapping):
        below = _with_value_at(own, other, path[len(name) + 1 :])
        result.pop(name, None)
        if below or (name in others and not other):
            result[name] = below
    return result


def _first_name(path: str, *sides: Attributes) -> str:
    """The longest name of an attribute that the path begins with, on either side; empty if there is none."""
    return max((name for side in sides for name in side if path.startswith(f"{name}.")), key=len, default="")


def _attribute_change(
    path: tuple[str, ...],
    before: Attributes,
    after: Attributes,
    kind: Kind,
    write_flags: Collection[str],
    differences: Iterable[DiffLevel],
) -> AttributeChange:
    from reconciler.manifests.kinds.mutability import rule_for

    rule, prior, planned = rule_for(kind, path), _value_at(before, path), _value_at(after, path)
    elements = _canonical_order(_element_changes(differences, len(path)))
    return AttributeChange(
        ".".join(path),
        prior,
        planned,
        _may_change(rule, prior, planned, write_flags),
        rule.source,
        elements=tuple(elements[:MOST_ELEMENTS]),
        more_elements=max(0, len(elements) - MOST_ELEMENTS),
    )


def _element_changes(differences: Iterable[DiffLevel], depth: int) -> Iterator[ElementChange]:
    """The changed elements of the list or map that is `depth` names deep."""
    from deepdiff.helper import notpresent

    seen: set[tuple[Any, bool, bool]] = set()
    for difference in differences:
        path, level = difference.path(output_format="list"), difference
        for _ in path[depth + 1 :]:
            level = level.up or level  # to the element: all differences within it are one change
        before, after = (None if value is notpresent else value for value in (level.t1, level.t2))
        if len(path) == depth:
            yield from _members(before, after)
        elif (element := (path[depth], before is None, after is None)) not in seen:
            seen.add(element)
            yield from _list_element(before, after)


def _members(before: Any, after: Any) -> Iterator[ElementChange]:
    """Every element of a list or map that is added or removed as a whole."""
    match (before, after):
        case (None, Mapping()):
            yield from (ElementChange(key, None, value) for key, value in after.items())
        case (Mapping(), None):
            yield from (ElementChange(key, value, None) for key, value in before.items())
        case (None, list() | tuple()):
            yield from (ElementChange("", None, value) for value in after)
        case (list() | tuple(), None):
            yield from (ElementChange("", value, None) for value in before)


def _list_element(before: Any, after: Any) -> Iterator[ElementChange]:
    """One element of a list; a plain value that differs is another element, and an object is the same one changed."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield ElementChange("", before, after)
        return
    if before is not None:
        yield ElementChange("", before, None)
    if after is not None:
        yield ElementChange("", None, after)


def _canonical_order(elements: Iterable[ElementChange]) -> list[ElementChange]:
    """Sorted by key and value, removed before added, without those that only moved within their list."""
    removed: Counter[tuple[str, str]] = Counter()
    added: Counter[tuple[str, str]] = Counter()
    result: list[ElementChange] = []
    for element in elements:
        if element.after is None:
            removed[element.key, canonical_json(element.before)] += 1
        elif element.before is None:
            added[element.key, canonical_json(element.after)] += 1
        else:
            result.append(element)
    result += [ElementChange(key, json.loads(text), None) for key, text in (removed - added).elements()]
    result += [ElementChange(key, None, json.loads(text)) for key, text in (added - removed).elements()]
    return sorted(result, key=_element_order)


def _element_order(element: ElementChange) -> tuple[str, str, bool]:
    added = element.before is None
    return element.key, canonical_json(element.after if added else element.before), added


def _may_change(rule: Rule, before: Any, after: Any, write_flags: Collection[str]) -> bool:
    if (rule.lasting or rule.unlocked_by) and before is not None and after is None:
        return False
    return rule.mutability in _CHANGEABLE or rule.unlocked_by in write_flags


def _attribute_path(level: DiffLevel) -> tuple[str, ...]:
    """The path up to the first list index: a list is one attribute."""
    names: list[str] = []
    for part in level.path(output_format="list"):
        if not isinstance(part, str):
            break
        names.append(part)
    return tuple(names)


def _value_at(attributes: Attributes, path: tuple[str, ...]) -> Any:
    value: Any = attributes
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value
