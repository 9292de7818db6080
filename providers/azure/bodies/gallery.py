"""Galleries: attributes to bodies, and back.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

from __future__ import annotations

from typing import Any

from reconciler.manifests.values import Attributes
from reconciler.providers.azure.bodies.json_reading import (
    JsonObject,
    enum_value,
    flag,
    free_text,
    inside,
    number,
    objects,
    own_tags,
    present,
    text,
    texts,
)
from reconciler.providers.azure.service import canonical_values
from reconciler.providers.azure.service.tag_metadata import TagMetadata, tagged

GROUPS = ("Subscriptions", "AADTenants")
RETENTION_DAYS = 7
"""How long a deleted version is kept by default. Source: Azure's documentation of soft delete."""

_PUBLISHER = ("publisherUri", "publisherContact", "eula", "publicNamePrefix")


def gallery_body(attributes: Attributes, metadata: TagMetadata) -> dict[str, Any]:
    """The body of a PUT, without the groups that the gallery is shared with. Raises: ProviderError for the tags."""
    sharing = attributes["sharing"]
    profile = {name: sharing[name] for name in ("permissions", "communityGalleryInfo") if name in sharing}
    properties = {"sharingProfile": profile, "softDeletePolicy": _policy(attributes)}
    if "description" in attributes:
        properties["description"] = attributes["description"]
    body: dict[str, Any] = {
        "location": attributes["location"],
        "tags": tagged(attributes.get("tags", {}), metadata),
        "properties": properties,
    }
    if "identity" in attributes:
        body["identity"] = _identity(attributes["identity"])
    return body


def _policy(attributes: Attributes) -> dict[str, Any]:
    """The soft-delete policy in full, so that values that are no longer declared are reset."""
    policy = attributes.get("softDeletePolicy", {"isSoftDeleteEnabled": False})
    days = {"retentionPeriodInDays": RETENTION_DAYS} if policy["isSoftDeleteEnabled"] else {}
    return {**days, **policy}


def _identity(identity: Attributes) -> dict[str, Any]:
    assigned: dict[str, Any] = {name: {} for name in identity.get("userAssignedIdentities", ())}
    return {"type": identity["type"], **({"userAssignedIdentities": assigned} if assigned else {})}


def groups_of(attributes: Attributes) -> dict[str, frozenset[str]]:
    """Type of group -> the ids, in lower case, that the gallery should be shared with; without empty groups."""
    groups = attributes.get("sharing", {}).get("groups", {})
    return {kind: frozenset(map(str.lower, groups[kind])) for kind in GROUPS if groups.get(kind)}


def groups_of_body(body: JsonObject) -> dict[str, frozenset[str]]:
    """Type of group -> the ids of a gallery that was read with `$expand=SharingProfile/Groups`."""
    return {kind: frozenset(map(str.lower, ids)) for kind, ids in _groups(body).items()}


def _groups(body: JsonObject) -> dict[str, list[str]]:
    kinds = {kind.lower(): kind for kind in GROUPS}
    groups: dict[str, list[str]] = {}
    for group in objects(inside(body, "properties", "sharingProfile").get("groups")):
        kind = kinds.get(text(group.get("type")).lower())
        if kind is not None:
            groups.setdefault(kind, []).extend(texts(group.get("ids")))
    return present(groups)


def gallery_attributes(body: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    """The canonical attributes of a gallery; with groups if it was read with `$expand=SharingProfile/Groups`."""
    properties = inside(body, "properties")
    attributes = present(
        {
            "location": canonical_values.region(body.get("location")),
            "sharing": _sharing(body, metadata),
            "softDeletePolicy": _read_policy(inside(properties, "softDeletePolicy"), metadata),
            "identity": _read_identity(inside(body, "identity"), metadata),
            "tags": own_tags(body),
        }
    )
    description = free_text(properties, "description", metadata)
    return attributes if description is None else {**attributes, "description": description}


def _sharing(body: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    profile = inside(body, "properties", "sharingProfile")
    info = inside(profile, "communityGalleryInfo")
    # The metadata only has ids that were not planned in lower case, as ids of subscriptions and tenants usually are.
    groups = {
        kind: sorted({metadata.as_planned(name) or name.lower() for name in ids}) for kind, ids in _groups(body).items()
    }
    publisher = {name: text(info.get(name)) for name in _PUBLISHER}
    return present(
        {
            "permissions": enum_value(profile.get("permissions")) or "Private",
            "groups": groups,
            "communityGalleryInfo": present(publisher),
        }
    )


def _read_policy(policy: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    enabled = flag(policy.get("isSoftDeleteEnabled")) or False
    planned = "softDeletePolicy" in metadata.declared
    if not enabled and not planned:
        return {}
    policy_read: dict[str, Any] = {"isSoftDeleteEnabled": enabled}
    for name, default in (("retentionPeriodInDays", RETENTION_DAYS), ("gracePeriodInDays", None)):
        days = number(policy.get(name))
        # The default grace period is not documented, so one that was not declared is ignored.
        filled_in = not enabled or default is None or days == default
        if days is not None and (f"softDeletePolicy.{name}" in metadata.declared or not (planned and filled_in)):
            policy_read[name] = days
    return policy_read


def _read_identity(identity: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    kind = enum_value(identity.get("type")) or "None"
    if kind == "None":
        return {"type": kind} if "identity" in metadata.declared else {}
    assigned = sorted(
        metadata.as_planned(text(name)) or text(name) for name in inside(identity, "userAssignedIdentities")
    )
    return present({"type": kind, "userAssignedIdentities": assigned})
