"""Image versions: attributes to bodies, and back; their target regions are in `regions`.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.azure.bodies.json_reading import (
    JsonObject,
    enum_value,
    flag,
    inside,
    number,
    objects,
    own_tags,
    present,
    text,
    texts,
)
from reconciler.providers.azure.bodies.regions import extended_locations, read_extended_locations, target_regions
from reconciler.providers.azure.bodies.sources import read_sources
from reconciler.providers.azure.service import canonical_values
from reconciler.providers.azure.service.tag_metadata import TagMetadata, tagged

_PUBLISHED = (
    *("replicaCount", "excludeFromLatest", "endOfLifeDate", "replicationMode"),
    *("storageAccountType", "storageAccountStrategy"),
)
_SAFETY = ("allowDeletionOfReplicatedLocations", "blockDeletionBeforeEndOfLife")


def version_body(
    attributes: Attributes,
    regions: Mapping[str, Attributes],
    metadata: TagMetadata,
    storage_profile: Mapping[str, Any] | None = None,
    now: JsonObject | None = None,
) -> dict[str, Any]:
    """The body of a PUT; `regions` are all target regions of the version after it.

    Without a storage profile the service keeps the present content. `now` is the version as the service shows it, if it
    exists. Raises: ProviderError for the tags.
    """
    profile = {name: attributes[name] for name in _PUBLISHED if name in attributes}
    profile["targetRegions"] = target_regions(regions, now or {})
    if "targetExtendedLocations" in attributes:
        profile["targetExtendedLocations"] = extended_locations(attributes)
    properties: dict[str, Any] = {
        "publishingProfile": profile,
        "storageProfile": dict(storage_profile or {}),
        "safetyProfile": attributes.get("safety") or dict.fromkeys(_SAFETY, False),
    }
    if "securityProfile" in attributes:
        properties["securityProfile"] = attributes["securityProfile"]
    tags = tagged(attributes.get("tags", {}), metadata)
    return {"location": attributes["location"], "tags": tags, "properties": properties}


def version_attributes(body: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    """The canonical attributes of a version, without its regions; see `lacks_security`."""
    properties = inside(body, "properties")
    profile, storage = inside(properties, "publishingProfile"), inside(properties, "storageProfile")
    chosen = {
        "hostCaching": inside(storage, "osDiskImage").get("hostCaching"),
        "storageAccountType": profile.get("storageAccountType"),
        "storageAccountStrategy": profile.get("storageAccountStrategy"),
    }
    return {
        "replicaCount": number(profile.get("replicaCount")) or 1,
        "excludeFromLatest": flag(profile.get("excludeFromLatest")) or False,
        "replicationMode": enum_value(profile.get("replicationMode")) or "Full",
        **read_sources(storage, metadata),
        **present({name: enum_value(value) for name, value in chosen.items() if name in metadata.declared}),
        **present(
            {
                "location": canonical_values.region(body.get("location")),
                "endOfLifeDate": canonical_values.moment(text(profile.get("endOfLifeDate"))),
                "targetExtendedLocations": read_extended_locations(profile, metadata),
                "safety": _safety(inside(properties, "safetyProfile"), metadata),
                "securityProfile": _security(inside(properties, "securityProfile"), metadata),
                "tags": own_tags(body),
            }
        ),
    }


def lacks_security(body: JsonObject, metadata: TagMetadata) -> bool:
    """Whether `body` lacks a planned security profile, which only a GET with `$expand=UefiSettings` returns."""
    return bool(metadata.security) and not inside(body, "properties", "securityProfile", "uefiSettings")


def _safety(safety: JsonObject, metadata: TagMetadata) -> dict[str, bool]:
    flags = {name: flag(safety.get(name)) or False for name in _SAFETY}
    return flags if "safety" in metadata.declared or any(flags.values()) else {}


def _security(security: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    """Firmware settings; if none were planned for a version of ours, those of the service are ignored."""
    if metadata.owner is not None and not metadata.security:
        return {}
    settings = inside(security, "uefiSettings")
    extra = inside(settings, "additionalSignatures")
    lists = {name: sorted(map(_key, objects(extra.get(name))), key=canonical_json) for name in ("kek", "db", "dbx")}
    signatures = present({"pk": _key(inside(extra, "pk")), **lists})
    templates = sorted({canonical_values.enum_value(name) for name in texts(settings.get("signatureTemplateNames"))})
    return present({"uefiSettings": present({"signatureTemplateNames": templates, "additionalSignatures": signatures})})


def _key(key: JsonObject) -> dict[str, Any]:
    return present({"type": enum_value(key.get("type")), "value": sorted(set(texts(key.get("value"))))})
