"""Where the content of versions comes from."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.manifests.kinds.image_version import DISK_STYLES
from reconciler.manifests.problems import Problem
from reconciler.manifests.validation.desired import Desired
from reconciler.manifests.values import canonical_json


def one_style(desired: Desired) -> Iterator[Problem]:
    """A source that is a whole image brings its own data disks."""
    for version in desired.declarations.versions.values():
        style = version.document.source.styles()[0]
        if style in DISK_STYLES:
            continue
        for name, alias in (("data_disks", "dataDisks"), ("host_caching", "hostCaching")):
            if getattr(version.document, name):
                yield Problem(
                    version.origin,
                    (alias,),
                    f"{alias} does not go with a source of the style {style}",
                    f"a whole image brings its own disks: remove {alias}, or use one of {', '.join(DISK_STYLES)}",
                    version.address,
                )


def disks_are_distinct(desired: Desired) -> Iterator[Problem]:
    """Every disk of a version has a source of its own."""
    for version in desired.versions.values():
        disks = version.declared.document.data_disks
        if not disks:
            continue
        attributes = version.attributes()
        seen = {canonical_json(attributes["source"]).lower(): "the OS disk"}
        for index, disk in enumerate(disks):
            source = canonical_json(attributes["dataDisks"][str(disk.lun)]["source"]).lower()
            if source in seen:
                yield Problem(
                    version.declared.origin,
                    ("dataDisks", index, "source"),
                    f"lun {disk.lun} has the same source as {seen[source]}",
                    "give each disk a source of its own",
                    version.address,
                )
            seen.setdefault(source, f"lun {disk.lun}")
