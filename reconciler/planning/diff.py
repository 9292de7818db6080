"""`attribute_changes`: what differs between two sets of attributes of one kind. The only door to deepdiff."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from reconciler.manifests.address import Kind
from reconciler.manifests.resource import Mutability, Rule
from reconciler.manifests.values import Attributes
from reconciler.planning.actions import AttributeChange

_CHANGEABLE = frozenset({Mutability.IN_PLACE, Mutability.SHARING})


def attribute_changes(
    before: Attributes, after: Attributes, kind: Kind, write_flags: Collection[str] = ()
) -> tuple[AttributeChange, ...]:
    """Every attribute that differs, sorted by path; values are those of the innermost attribute that differs.

    Both sides must be canonical: keyed lists are objects there, so neither order nor spelling makes a difference.
    `write_flags` are the flags that go along with the write: some let attributes change in place.
    """
    if before == after:
        return ()
    from deepdiff import DeepDiff

    from reconciler.manifests.kinds.mutability import rule_for

    # threshold_to_diff_deeper=0: deepdiff would otherwise report two objects without a common key as one change
    tree = DeepDiff(before, after, view="tree", threshold_to_diff_deeper=0, verbose_level=2)
    found: dict[tuple[str, ...], tuple[Any, Any]] = {}
    for levels in tree.values():
        for level in levels:
            path = _path_to_compare(level.path(output_format="list"))
            found[path] = (_value_at(before, path), _value_at(after, path))
    return tuple(
        AttributeChange(
            ".".join(path),
            old,
            new,
            _may_change(rule_for(kind, path), old, new, write_flags),
            rule_for(kind, path).source,
        )
        for path, (old, new) in sorted(found.items())
    )


def _may_change(rule: Rule, before: Any, after: Any, write_flags: Collection[str]) -> bool:
    if (rule.lasting or rule.unlocked_by) and before is not None and after is None:
        return False
    return rule.mutability in _CHANGEABLE or rule.unlocked_by in write_flags


def _path_to_compare(path: list[Any]) -> tuple[str, ...]:
    """The path up to the first list index: lists are compared whole."""
    names: list[str] = []
    for part in path:
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
