"""Image definitions: attributes to bodies, and back.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

from __future__ import annotations

from typing import Any

from reconciler.manifests.values import Attributes
from reconciler.providers.azure.bodies.json_reading import (
    JsonObject,
    enum_value,
    free_text,
    inside,
    members,
    number,
    objects,
    own_tags,
    present,
    text,
    texts,
)
from reconciler.providers.azure.service import canonical_values
from reconciler.providers.azure.service.tag_metadata import TagMetadata, tagged

SECURITY = "SecurityType"
_TEXTS = ("description", "eula", "privacyStatementUri", "releaseNoteUri")
_UNCHANGED = (
    *("osType", "osState", "identifier", "hyperVGeneration", "architecture"),
    *("endOfLifeDate", "recommended", "disallowed", "purchasePlan", *_TEXTS),
)
_DEFAULT_SECURITY = {"V1": "Standard", "V2": "TrustedLaunchSupported"}
"""Generation -> the default security type, since api-version 2025-03-03."""


def definition_body(attributes: Attributes, metadata: TagMetadata, now: JsonObject | None = None) -> dict[str, Any]:
    """The body of a PUT. `now` is the definition as the service shows it, if it exists: a security type that the
    service chose is sent again, as its choice may differ today. Raises: ProviderError for the tags."""
    properties = {name: attributes[name] for name in _UNCHANGED if name in attributes}
    features = [{"name": name, **feature} for name, feature in sorted(attributes.get("features", {}).items())]
    if SECURITY not in attributes.get("features", {}):
        shown = objects(inside(now, "properties").get("features"))
        features += [
            dict(feature) for feature in shown if canonical_values.feature_name(text(feature.get("name"))) == SECURITY
        ]
    if features:
        properties["features"] = features
    tags = tagged(attributes.get("tags", {}), metadata)
    return {"location": attributes["location"], "tags": tags, "properties": properties}


def definition_attributes(body: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    """The canonical attributes of a definition."""
    properties = inside(body, "properties")
    generation = enum_value(properties.get("hyperVGeneration")) or "V1"
    attributes = present(
        {
            "location": canonical_values.region(body.get("location")),
            **members(properties, ("osType", "osState"), enum_value),
            "identifier": members(inside(properties, "identifier"), ("publisher", "offer", "sku"), text),
            "hyperVGeneration": generation,
            "architecture": enum_value(properties.get("architecture")) or "x64",
            "endOfLifeDate": canonical_values.moment(text(properties.get("endOfLifeDate"))),
            "recommended": _recommended(inside(properties, "recommended")),
            "disallowed": _disallowed(inside(properties, "disallowed"), metadata),
            "purchasePlan": members(inside(properties, "purchasePlan"), ("name", "publisher", "product"), text),
            "features": _features(properties, generation, metadata),
            "tags": own_tags(body),
        }
    )
    free = {name: free_text(properties, name, metadata) for name in _TEXTS}
    return attributes | {name: value for name, value in free.items() if value is not None}


def _recommended(recommended: JsonObject) -> dict[str, Any]:
    return present({what: members(inside(recommended, what), ("min", "max"), number) for what in ("vCPUs", "memory")})


def _disallowed(disallowed: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    types = {
        metadata.as_planned(name) or canonical_values.enum_value(name) for name in texts(disallowed.get("diskTypes"))
    }
    return present({"diskTypes": sorted(types)})


def _name(feature: JsonObject) -> str:
    return canonical_values.feature_name(text(feature.get("name")))


def _features(properties: JsonObject, generation: str, metadata: TagMetadata) -> dict[str, Any]:
    features = {}
    for feature in objects(properties.get("features")):
        name = _name(feature)
        if name:
            read = {"value": enum_value(feature.get("value")), "startsAtVersion": text(feature.get("startsAtVersion"))}
            features[name] = present(read)
    planned = f"features.{SECURITY}" in metadata.declared
    if planned:
        features.setdefault(SECURITY, {"value": "Standard"})
    elif features.get(SECURITY) == {"value": _DEFAULT_SECURITY.get(generation)}:
        del features[SECURITY]
    return features
