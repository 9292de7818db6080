"""Settings that map regions to something."""

from __future__ import annotations

from typing import Any

from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.regions import canonical_region


def distinct_regions(regions: Any) -> Any:
    """`regions` as written, a mapping whose keys name regions, each region once. What is no mapping, and what is no
    name of a region, is left to the model.

    Raises: InvalidInput.
    """
    if not isinstance(regions, dict):
        return regions
    if not regions:
        raise InvalidInput("names no region", "add at least one")
    names: set[str] = set()
    for written in regions:
        name = _name(written)
        if name in names:
            raise InvalidInput(f"the region {name} is declared twice", "keep one of the two", (written,))
        names.add(name)
    return regions


def _name(written: str) -> str:
    try:
        return canonical_region(written)
    except ValueError:
        return written
