"""Attribute paths in `lifecycle`."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.manifests.address import Kind
from reconciler.manifests.kinds.gallery import Gallery
from reconciler.manifests.kinds.image_definition import ImageDefinition
from reconciler.manifests.kinds.image_version import ImageVersion
from reconciler.manifests.kinds.lifecycle import LifecycleEntry
from reconciler.manifests.kinds.mutability import attribute_names
from reconciler.manifests.problems import Problem
from reconciler.manifests.validation.desired import Desired
from reconciler.manifests.words import quoted, suggestion


def paths_are_attributes(desired: Desired) -> Iterator[Problem]:
    """What is to be ignored is an attribute of that kind; attributes of regions follow `targetRegions.`."""
    for declared in desired.declarations.all():
        document = declared.document
        if not isinstance(document, Gallery | ImageDefinition | ImageVersion) or document.lifecycle is None:
            continue
        for path, attribute in _paths(document.lifecycle):
            problem = _problem(attribute, declared.address.kind)
            if problem:
                yield Problem(declared.origin, ("lifecycle", *path), *problem, declared.address)


def _paths(lifecycle: LifecycleEntry) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for index, attribute in enumerate(lifecycle.ignore_changes):
        yield ("ignoreChanges", index), attribute
    for index, exception in enumerate(lifecycle.ignore_drift):
        yield ("ignoreDrift", index), exception.attribute


def _problem(attribute: str, kind: Kind) -> tuple[str, str] | None:
    """Summary and remedy when `attribute` is none of the kind's."""
    head, _, rest = attribute.partition(".")
    known = attribute_names(kind)
    if head not in known:
        return f"{quoted(attribute)} is not an attribute of this {kind}", suggestion(head, known)
    if kind is Kind.IMAGE_VERSION and head == "targetRegions" and not rest:
        return (
            "targetRegions as a whole cannot be ignored",
            "name an attribute: targetRegions.replicas, or with a region",
        )
    return None
