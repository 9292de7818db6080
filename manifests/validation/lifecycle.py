"""Attribute paths in `lifecycle`."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.manifests.address import Kind
from reconciler.manifests.kinds.configuration import Configuration
from reconciler.manifests.kinds.lifecycle import LifecycleEntry
from reconciler.manifests.kinds.mutability import attribute_names
from reconciler.manifests.kinds.registry import ValidationRule
from reconciler.manifests.problems import Problem
from reconciler.manifests.words import quoted, suggestion


def paths_are_attributes(configuration: Configuration) -> Iterator[Problem]:
    """`ignoreChanges` and `ignoreDrift` name attributes of that kind; those of regions follow `targetRegions.`."""
    for declared in configuration.declarations.by_address.values():
        for path, attribute in _paths(declared.lifecycle_entry):
            problem = _problem(attribute, declared.address.kind)
            if problem:
                yield Problem(declared.origin, ("lifecycle", *path), *problem, declared.address)


def _paths(lifecycle: LifecycleEntry | None) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if lifecycle is None:
        return
    for index, attribute in enumerate(lifecycle.ignore_changes):
        yield ("ignoreChanges", index), attribute
    for index, exception in enumerate(lifecycle.ignore_drift):
        yield ("ignoreDrift", index), exception.attribute


def _problem(attribute: str, kind: Kind) -> tuple[str, str] | None:
    """Summary and remedy when `attribute` is not one of the kind's."""
    head, _, rest = attribute.partition(".")
    known = attribute_names(kind)
    if head not in known:
        return f"{quoted(attribute)} is not an attribute of this {kind}", suggestion(head, known)
    if kind is Kind.IMAGE_VERSION and head == "targetRegions" and not rest:
        return (
            "targetRegions as a whole cannot be ignored",
            "name an attribute, such as targetRegions.replicas or targetRegions.eastus.replicas",
        )
    return None


RULES: tuple[ValidationRule, ...] = (paths_are_attributes,)
