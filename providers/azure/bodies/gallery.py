"""Galleries, both ways.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

from __future__ import annotations

from typing import Any

from reconciler.manifests.values import Attributes
from reconciler.providers.azure.bodies.shown import (
    Shown,
    a_word,
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
from reconciler.providers.azure.service import spelling
from reconciler.providers.azure.service.marks import Marks, tagged

GROUPS = ("Subscriptions", "AADTenants")
RETENTION_DAYS = 7
"""How long a deleted version is kept unless somebody says otherwise. Source: Azure's documentation of soft delete."""

_PUBLISHER = ("publisherUri", "publisherContact", "eula", "publicNamePrefix")


def gallery_body(attributes: Attributes, marks: Marks) -> dict[str, Any]:
    """The body of a PUT. Whom the gallery is shared with is not part of it. Raises: ProviderError, for the tags."""
    sharing = attributes["sharing"]
    profile = {name: sharing[name] for name in ("permissions", "communityGalleryInfo") if name in sharing}
    properties = {"sharingProfile": profile, "softDeletePolicy": _policy(attributes)}
    if "description" in attributes:
        properties["description"] = attributes["description"]
    body: dict[str, Any] = {
        "location": attributes["location"],
        "tags": tagged(attributes.get("tags", {}), marks),
        "properties": properties,
    }
    if "identity" in attributes:
        body["identity"] = _identity(attributes["identity"])
    return body


def _policy(attributes: Attributes) -> dict[str, Any]:
    """Soft delete in full: what was set before and is not any more may not stay."""
    policy = attributes.get("softDeletePolicy", {"isSoftDeleteEnabled": False})
    days = {"retentionPeriodInDays": RETENTION_DAYS} if policy["isSoftDeleteEnabled"] else {}
    return {**days, **policy}


def _identity(identity: Attributes) -> dict[str, Any]:
    assigned: dict[str, Any] = {name: {} for name in identity.get("userAssignedIdentities", ())}
    return {"type": identity["type"], **({"userAssignedIdentities": assigned} if assigned else {})}


def groups_of(attributes: Attributes) -> dict[str, frozenset[str]]:
    """Type of group -> the ids, in lower case, that the gallery is to be shared with; no empty groups."""
    groups = attributes.get("sharing", {}).get("groups", {})
    return {kind: frozenset(map(str.lower, groups[kind])) for kind in GROUPS if groups.get(kind)}


def groups_of_body(body: Shown) -> dict[str, frozenset[str]]:
    """The same of a gallery that was read with `$expand=SharingProfile/Groups`."""
    return {kind: frozenset(map(str.lower, ids)) for kind, ids in _groups(body).items()}


def _groups(body: Shown) -> dict[str, list[str]]:
    kinds = {kind.lower(): kind for kind in GROUPS}
    found: dict[str, list[str]] = {}
    for group in objects(inside(body, "properties", "sharingProfile").get("groups")):
        kind = kinds.get(text(group.get("type")).lower())
        if kind is not None:
            found.setdefault(kind, []).extend(texts(group.get("ids")))
    return present(found)


def gallery_attributes(body: Shown, marks: Marks) -> dict[str, Any]:
    """The canonical attributes of a gallery; the groups only if it was read with `$expand=SharingProfile/Groups`."""
    properties = inside(body, "properties")
    found = present(
        {
            "location": spelling.region(body.get("location")),
            "sharing": _sharing(body, marks),
            "softDeletePolicy": _read_policy(inside(properties, "softDeletePolicy"), marks),
            "identity": _read_identity(inside(body, "identity"), marks),
            "tags": own_tags(body),
        }
    )
    description = free_text(properties, "description", marks)
    return found if description is None else {**found, "description": description}


def _sharing(body: Shown, marks: Marks) -> dict[str, Any]:
    profile = inside(body, "properties", "sharingProfile")
    info = inside(profile, "communityGalleryInfo")
    # Marks only hold ids that were not planned in lower case, as ids of subscriptions and tenants usually are.
    groups = {kind: sorted({marks.spelling(one) or one.lower() for one in ids}) for kind, ids in _groups(body).items()}
    publisher = {name: text(info.get(name)) for name in _PUBLISHER}
    return present(
        {
            "permissions": a_word(profile.get("permissions")) or "Private",
            "groups": groups,
            "communityGalleryInfo": present(publisher),
        }
    )


def _read_policy(policy: Shown, marks: Marks) -> dict[str, Any]:
    enabled = flag(policy.get("isSoftDeleteEnabled")) or False
    planned = "softDeletePolicy" in marks.declared
    if not enabled and not planned:
        return {}
    found: dict[str, Any] = {"isSoftDeleteEnabled": enabled}
    for name, unsaid in (("retentionPeriodInDays", RETENTION_DAYS), ("gracePeriodInDays", None)):
        days = number(policy.get(name))
        # What grace the service gives by itself is not documented, so one that nobody declared says nothing.
        filled_in = not enabled or unsaid is None or days == unsaid
        if days is not None and (f"softDeletePolicy.{name}" in marks.declared or not (planned and filled_in)):
            found[name] = days
    return found


def _read_identity(identity: Shown, marks: Marks) -> dict[str, Any]:
    kind = a_word(identity.get("type")) or "None"
    if kind == "None":
        return {"type": kind} if "identity" in marks.declared else {}
    assigned = sorted(marks.spelling(text(name)) or text(name) for name in inside(identity, "userAssignedIdentities"))
    return present({"type": kind, "userAssignedIdentities": assigned})
