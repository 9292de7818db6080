"""What is reported of a target region once its step is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.common import steps as common_steps
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.source_disks import SourceDisk
from reconciler.providers.local.directories import object_names
from reconciler.providers.protocol import Applied

SIZE_FACTS = ("size", "virtualSize", "format")
CONTENT_FACTS = ("digest", "sha256", *SIZE_FACTS)
"""What is known of a disk's content; a version's description also knows its source."""


def unread_facts(disk: SourceDisk) -> dict[str, Any]:
    """The facts to record for a disk that nobody has read: it has no digest."""
    return sizes(disk.extent.size, disk.format)


def sizes(size: int, form: DiskFormat) -> dict[str, Any]:
    """The facts that are known before anything is read."""
    return {"size": size, "virtualSize": form.virtual_size, "format": form.name}


def applied(
    address: Address, planned: Attributes, computed: Mapping[str, Any], stamps: Sequence[tuple[str, str]]
) -> Applied:
    """The result of a step after which a target region is as planned."""
    return common_steps.applied(
        object_names.object_id(address.region, address),
        object_names.fingerprint(address.region, object_names.folder(address), stamps),
        planned,
        computed,
    )
