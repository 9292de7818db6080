"""Resolves references to published image versions: by id, by public name, or as the latest version in a region."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.providers.emulator.core.arm import ArmError, invalid
from reconciler.providers.emulator.core.ids import linked
from reconciler.providers.emulator.core.locations import find
from reconciler.providers.emulator.core.resources import DEFINITION, GALLERY, SUCCEEDED, UPDATING, VERSION
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.gallery.replication import usable_regions

_COMMUNITY = re.compile(r"/CommunityGalleries/([^/]+)/Images/([^/]+)(?:/Versions/([^/]+))?", re.IGNORECASE)
_SHARED = re.compile(r"/SharedGalleries/([^/]+)/Images/([^/]+)(?:/Versions/([^/]+))?", re.IGNORECASE)


def own_version(service: Service, text: str, region: str, target: str) -> Resource:
    """The version with an id, if it is ready in a region. Raises: ArmError."""
    return _ready(service, linked(service, text, [VERSION], target), region, target)


def version_or_latest(service: Service, text: str, region: str, target: str) -> Resource:
    """As `own_version`; the id of a definition stands for its latest version in the region."""
    if text.lower().rstrip("/").endswith("/versions/latest"):
        text = text.rstrip("/").rsplit("/", 2)[0]
    resource = linked(service, text, [VERSION, DEFINITION], target)
    if resource.type == DEFINITION:
        return latest(service, resource, region, target)
    return _ready(service, resource, region, target)


def community_version(service: Service, text: str, region: str, target: str) -> Resource:
    """The version that the id of a community image names. Raises: ArmError."""
    return _by_name(service, _COMMUNITY, text, region, target)


def shared_version(service: Service, text: str, region: str, target: str) -> Resource:
    """The version that the id of a directly shared image names. Raises: ArmError."""
    return _by_name(service, _SHARED, text, region, target)


def _by_name(service: Service, pattern: re.Pattern[str], text: str, region: str, target: str) -> Resource:
    match = pattern.fullmatch(text)
    if match is None:
        raise invalid(target, f"The value '{text}' of '{target}' is not the id of a shared image version.")
    gallery = next(
        (gallery for gallery in service.store.of_type(GALLERY) if match[1].lower() in _names(gallery, pattern)),
        None,
    )
    definition = service.store.get(f"{gallery.id}/images/{match[2]}") if gallery else None
    if definition is not None and match[3] in (None, "latest"):
        return latest(service, definition, region, target)
    version = service.store.get(f"{definition.id}/versions/{match[3]}") if definition else None
    if version is None:
        raise ArmError(404, "NotFound", f"The image version '{text}' in '{target}' was not found.", target)
    return _ready(service, version, region, target)


def _names(gallery: Resource, pattern: re.Pattern[str]) -> list[str]:
    """The public names of a gallery, in lower case."""
    if pattern is _SHARED:
        return [gallery.properties["identifier"]["uniqueName"].lower()]
    community = gallery.properties.get("sharingProfile", {}).get("communityGalleryInfo", {})
    return [name.lower() for name in community.get("publicNames", []) if community.get("communityGalleryEnabled")]


def _ready(service: Service, version: Resource, region: str, target: str) -> Resource:
    state = version.properties.get("provisioningState")
    if state not in (SUCCEEDED, UPDATING):
        raise invalid(target, f"The image version '{version.id}' cannot be used: its provisioning state is {state}.")
    if region not in usable_regions(version, service.clock.now()):
        raise invalid(target, f"The image version '{version.id}' is not replicated to location '{region}'.")
    return version


def latest(service: Service, definition: Resource, region: str, target: str) -> Resource:
    """The highest version of a definition that is in a region and not excluded there. Raises: ArmError.

    Source: Azure Compute Gallery overview: excludeFromLatest of the region overrides that of the version.
    """
    now = service.clock.now()
    usable = [
        version
        for version in service.store.inside(definition.id, VERSION)
        if version.properties.get("provisioningState") in (SUCCEEDED, UPDATING)
        and region in usable_regions(version, now)
        and not _excluded(version, region)
    ]
    if not usable:
        raise ArmError(
            404, "GalleryImageNotFound", f"'{definition.id}' has no latest version in location '{region}'.", target
        )
    return max(usable, key=lambda version: tuple(int(number) for number in version.name.split(".")))


def _excluded(version: Resource, region: str) -> bool:
    profile = version.properties.get("publishingProfile", {})
    for entry in profile.get("targetRegions", ()):
        location = find(entry["name"])
        if location is not None and location.name == region and entry.get("excludeFromLatest") is not None:
            return bool(entry["excludeFromLatest"])
    return bool(profile.get("excludeFromLatest"))


def disks_of(version: Resource) -> Mapping[str, Mapping[str, Any]]:
    """The disks of a version: `os`, and data disks by LUN; each with sizeInGB, hostCaching and content."""
    disks: Mapping[str, Mapping[str, Any]] = version.hidden["disks"]
    return disks
