"""What protects an image version from changes and deletion: its safety profile, and the sharing of its gallery.

Source: the Compute Gallery REST specification; Azure's documentation of direct and community sharing; recordings of the
Azure CLI's tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reconciler.providers.emulator.core.arm import ArmError, ArmRequest, Body
from reconciler.providers.emulator.core.body_fields import Fields
from reconciler.providers.emulator.core.locations import display_name
from reconciler.providers.emulator.core.resources import fixed, require
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.gallery.publishing_profile import region_of


def check_removed(version: Resource, properties: Fields, before: Mapping[str, Body], profile: Body) -> None:
    """Raises: ArmError when target regions are removed without permission, which versions older than it have."""
    removed = sorted(before.keys() - {region_of(entry) for entry in profile["targetRegions"]})
    allowed = version.properties.get("safetyProfile", {}).get("allowDeletionOfReplicatedLocations", True)
    if removed and not allowed:
        raise ArmError(
            409,
            "OperationNotAllowed",
            f"The image version cannot be removed from {', '.join(map(display_name, removed))}: "
            "safetyProfile.allowDeletionOfReplicatedLocations is false.",
            properties.path("publishingProfile.targetRegions"),
        )


def check_sharing(service: Service, definition: Resource, version: Resource, properties: Fields) -> None:
    """Raises: ArmError when a version cannot be in a shared gallery. Source: Azure's documentation of sharing."""
    gallery = require(service, definition.parent)
    permissions = gallery.properties.get("sharingProfile", {}).get("permissions", "Private")
    regions = version.properties["publishingProfile"]["targetRegions"]
    if permissions == "Private":
        return
    if any("encryption" in region for region in regions):
        raise properties.refuse(
            "publishingProfile.targetRegions",
            "A shared gallery cannot hold versions that are encrypted with your own keys.",
        )
    if version.hidden["region"] != gallery.hidden["region"]:
        raise ArmError(
            400,
            "InvalidParameter",
            f"The location of a version in a shared gallery must be the gallery's, '{gallery.body['location']}'.",
            "galleryImageVersion.location",
        )


def check_end_of_life(service: Service, version: Resource) -> None:
    """Raises: ArmError when a version is protected until an end of life that is in the future."""
    if not version.properties.get("safetyProfile", {}).get("blockDeletionBeforeEndOfLife"):
        return
    end = version.properties["publishingProfile"].get("endOfLifeDate")
    if end is not None and datetime.fromisoformat(end).timestamp() > service.clock.now():
        raise ArmError(
            409,
            "DeleteGalleryImageVersionBlockedBeforeEndOfLife",
            f"The image version '{version.name}' cannot be deleted before its end of life, {end}: "
            "safetyProfile.blockDeletionBeforeEndOfLife is true.",
        )


def safety_profile(request: ArmRequest, given: Fields, before: Body | None) -> Body:
    """The safety profile after a write: two members are always present since they exist, the third if it was set."""
    profile = dict(before or {})
    if request.api_version >= "2022-03-03":
        profile.setdefault("reportedForPolicyViolation", False)
        profile.setdefault("allowDeletionOfReplicatedLocations", False)
    for name in ("allowDeletionOfReplicatedLocations", "blockDeletionBeforeEndOfLife"):
        flag = given.flag(name)
        if flag is not None:
            profile[name] = flag
    return profile


def write_security(properties: Fields, stored: Body, *, new: bool) -> None:
    """Stores the firmware settings, which are fixed at creation. Raises: ArmError."""
    profile = dict(properties.object("securityProfile").values)
    if profile and new:
        stored["securityProfile"] = profile
    elif profile:
        fixed(properties, "securityProfile", stored.get("securityProfile"), profile)
