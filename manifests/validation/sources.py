"""Where the content of versions comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.manifests.kinds.configuration import Configuration
from reconciler.manifests.kinds.image_version import ImageVersion
from reconciler.manifests.kinds.registry import ValidationRule
from reconciler.manifests.kinds.sources.image_sources import DISK_STYLES
from reconciler.manifests.problems import Problem
from reconciler.manifests.values import canonical_json


def one_style(configuration: Configuration) -> Iterator[Problem]:
    """A source that is a whole image has its own data disks."""
    for version in configuration.declarations.nodes(ImageVersion):
        style = version.document.source.styles()[0]
        if style in DISK_STYLES:
            continue
        for name, alias in (("data_disks", "dataDisks"), ("host_caching", "hostCaching")):
            if getattr(version.document, name):
                yield Problem(
                    version.origin,
                    (alias,),
                    f"{alias} cannot be used with a source of type {style}",
                    f"a whole image has its own disks: remove {alias}, or use one of {', '.join(DISK_STYLES)}",
                    version.address,
                )


def disks_are_distinct(configuration: Configuration) -> Iterator[Problem]:
    """Every disk of a version has a source of its own."""
    for version in configuration.versions.values():
        disks = version.declared.document.data_disks
        if not disks:
            continue
        attributes = version.attributes()
        seen = {_name(attributes["source"]): "the OS disk"}
        for index, disk in enumerate(disks):
            source = _name(attributes["dataDisks"][str(disk.lun)]["source"])
            if source in seen:
                yield Problem(
                    version.declared.origin,
                    ("dataDisks", index, "source"),
                    f"lun {disk.lun} has the same source as {seen[source]}",
                    "give each disk a source of its own",
                    version.address,
                )
            seen.setdefault(source, f"lun {disk.lun}")


def _name(source: Mapping[str, Any]) -> str:
    """What a source names, whatever digest it must have."""
    return canonical_json({style: value for style, value in source.items() if style != "sha256"}).lower()


RULES: tuple[ValidationRule, ...] = (one_style, disks_are_distinct)
