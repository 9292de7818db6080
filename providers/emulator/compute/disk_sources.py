"""What a new disk takes over from its source: size, OS type, generation, plan and content.

Source: the Compute REST specification of disks (creationData).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.providers.emulator.content.disk_kinds import kind_of_disk, kind_of_image, kind_of_version, plan_of
from reconciler.providers.emulator.content.vhds import keep_vhd, vhd_size_gb
from reconciler.providers.emulator.core.arm import invalid
from reconciler.providers.emulator.core.body_fields import Fields
from reconciler.providers.emulator.core.ids import DISK, IMAGE, SNAPSHOT, linked, same_region, type_of
from reconciler.providers.emulator.core.json_schema import WHOLE, object_of, texts
from reconciler.providers.emulator.core.resources import DEFINITION, VERSION
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.gallery.image_references import (
    community_version,
    disks_of,
    shared_version,
    version_or_latest,
)

_REFERENCES = texts("id", "communityGalleryImageId", "sharedGalleryImageId", "publisher", "offer", "sku")
IMAGE_REFERENCE = object_of(**_REFERENCES)
DISK_REFERENCE = object_of(lun=WHOLE, **_REFERENCES)
"""What names an image, and what names one disk of an image."""

LINUX_GB, WINDOWS_GB = 30, 127
_PLATFORM = re.compile(
    r"/subscriptions/[^/]+/providers/Microsoft\.Compute/locations/[^/]+/publishers/(?P<publisher>[^/]+)"
    r"/artifactTypes/VMImage/offers/(?P<offer>[^/]+)/skus/(?P<sku>[^/]+)/versions/[^/]+",
    re.IGNORECASE,
)
_SECOND_GENERATION = re.compile(r"gen2|-g2\b|arm64", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DiskSource:
    """What a disk takes over; None or empty where it is not known. `os_state` is that of an image."""

    size_gb: int = 0
    os_type: str | None = None
    generation: str | None = None
    plan: Mapping[str, str] | None = None
    content: str = ""
    os_state: str | None = None
    caching: str | None = None


def from_disk(service: Service, text: str, region: str, target: str, *, anywhere: bool = False) -> DiskSource:
    """A copy of a disk or snapshot, in the same region unless it may be `anywhere`. Raises: ArmError."""
    disk = linked(service, text, [DISK, SNAPSHOT], target)
    if not anywhere:
        same_region(disk, region, target)
    disk_kind, properties = kind_of_disk(disk), disk.properties
    return DiskSource(
        properties["diskSizeGB"], disk_kind.os_type, disk_kind.generation, disk_kind.plan, disk.hidden["content"], None
    )


def from_blob(service: Service, uri: str, target: str) -> DiskSource:
    """The VHD in a blob. Raises: ArmError."""
    return DiskSource(vhd_size_gb(service, uri, target), content=keep_vhd(service, uri, target))


def from_image(service: Service, reference: Fields, region: str, lun: int | None = None) -> DiskSource:
    """A disk of the image that a reference names: the OS disk, or the data disk with a LUN. Raises: ArmError."""
    for name, follow in (("communityGalleryImageId", community_version), ("sharedGalleryImageId", shared_version)):
        if text := reference.text(name):
            return _from_version(service, follow(service, text, region, reference.path(name)), lun, reference)
    text, target = reference.text("id") or "", reference.path("id")
    if not text and reference.has("publisher"):
        sku = " ".join(str(reference.text(name, required=True)) for name in ("publisher", "offer", "sku"))
        return _from_market(sku)
    if match := _PLATFORM.fullmatch(text):
        return _from_market(" ".join(match.group("publisher", "offer", "sku")))
    if text.lower().startswith("/communitygalleries/"):
        return _from_version(service, community_version(service, text, region, target), lun, reference)
    if text.lower().startswith("/sharedgalleries/"):
        return _from_version(service, shared_version(service, text, region, target), lun, reference)
    if type_of(text) == IMAGE:
        image = linked(service, text, [IMAGE], target)
        same_region(image, region, target)
        return _from_managed_image(image, lun, reference)
    if type_of(text) in (VERSION, DEFINITION):
        return _from_version(service, version_or_latest(service, text, region, target), lun, reference)
    raise invalid(target, f"The value '{text}' of '{target}' does not name an image.")


def _from_market(name: str) -> DiskSource:
    """A marketplace image, whose system is guessed from its publisher, offer and SKU."""
    windows = "windows" in name.lower()
    generation = "V2" if _SECOND_GENERATION.search(name) else "V1"
    size_gb = WINDOWS_GB if windows else LINUX_GB
    return DiskSource(size_gb, "Windows" if windows else "Linux", generation, os_state="Generalized")


def _from_version(service: Service, version: Resource, lun: int | None, reference: Fields) -> DiskSource:
    disk = disks_of(version).get("os" if lun is None else str(lun))
    if disk is None:
        raise reference.refuse("lun", f"The image version '{version.id}' has no data disk with lun {lun}.")
    if lun is not None:
        return DiskSource(disk["sizeInGB"], content=disk["content"], caching=disk["hostCaching"])
    disk_kind = kind_of_version(service, version)
    return DiskSource(
        disk["sizeInGB"],
        disk_kind.os_type,
        disk_kind.generation,
        disk_kind.plan,
        disk["content"],
        disk_kind.os_state,
        disk["hostCaching"],
    )


def _from_managed_image(image: Resource, lun: int | None, reference: Fields) -> DiskSource:
    disk = image.hidden["disks"].get("os" if lun is None else str(lun))
    if disk is None:
        raise reference.refuse("lun", f"The image '{image.id}' has no data disk with lun {lun}.")
    if lun is not None:
        return DiskSource(disk["sizeInGB"], content=disk["content"])
    disk_kind = kind_of_image(image)
    plan = plan_of(image.hidden.get("plan"))
    return DiskSource(
        disk["sizeInGB"], disk_kind.os_type, disk_kind.generation, plan, disk["content"], disk_kind.os_state
    )
