"""The versions that the disks of a version come from, renamed: providers know them by the names of their objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes

Rename = Callable[[Address], Address]


def rename_sources(attributes: Attributes, rename: Rename) -> Attributes:
    """The attributes of a version with `rename` applied to every version that a source names; the same object if that
    changes nothing."""
    renamed = dict(attributes)
    if "source" in attributes:
        renamed["source"] = _renamed_source(attributes["source"], rename)
    if "dataDisks" in attributes:
        renamed["dataDisks"] = {lun: _renamed_disk(disk, rename) for lun, disk in attributes["dataDisks"].items()}
    return attributes if renamed == attributes else renamed


def _renamed_disk(disk: Mapping[str, Any], rename: Rename) -> Mapping[str, Any]:
    return {**disk, "source": _renamed_source(disk["source"], rename)} if "source" in disk else disk


def _renamed_source(source: Mapping[str, Any], rename: Rename) -> Mapping[str, Any]:
    if "version" not in source:
        return source
    return {**source, "version": str(rename(Address.parse(str(source["version"]))))}
