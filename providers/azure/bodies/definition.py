"""Image definitions, both ways.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

from __future__ import annotations

from typing import Any

from reconciler.manifests.values import Attributes
from reconciler.providers.azure.bodies.shown import (
    Shown,
    a_word,
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
from reconciler.providers.azure.service import spelling
from reconciler.providers.azure.service.marks import Marks, tagged

SECURITY = "SecurityType"
_TEXTS = ("description", "eula", "privacyStatementUri", "releaseNoteUri")
_AS_THEY_ARE = (
    *("osType", "osState", "identifier", "hyperVGeneration", "architecture"),
    *("endOfLifeDate", "recommended", "disallowed", "purchasePlan", *_TEXTS),
)
_UNSAID_SECURITY = {"V1": "Standard", "V2": "TrustedLaunchSupported"}
"""Generation -> the security type of an image that names none, with the api-versions from 2025-03-03 on."""


def definition_body(attributes: Attributes, marks: Marks, now: Shown | None = None) -> dict[str, Any]:
    """The body of a PUT. `now` is the definition as the service shows it, when there is one: a security type that the
    service chose is sent back, as another choice today would be a change. Raises: ProviderError, for the tags."""
    properties = {name: attributes[name] for name in _AS_THEY_ARE if name in attributes}
    features = [{"name": name, **feature} for name, feature in sorted(attributes.get("features", {}).items())]
    if SECURITY not in attributes.get("features", {}):
        shown = objects(inside(now, "properties").get("features"))
        features += [dict(feature) for feature in shown if spelling.feature_name(text(feature.get("name"))) == SECURITY]
    if features:
        properties["features"] = features
    tags = tagged(attributes.get("tags", {}), marks)
    return {"location": attributes["location"], "tags": tags, "properties": properties}


def definition_attributes(body: Shown, marks: Marks) -> dict[str, Any]:
    """The canonical attributes of a definition."""
    properties = inside(body, "properties")
    generation = a_word(properties.get("hyperVGeneration")) or "V1"
    found = present(
        {
            "location": spelling.region(body.get("location")),
            **members(properties, ("osType", "osState"), a_word),
            "identifier": members(inside(properties, "identifier"), ("publisher", "offer", "sku"), text),
            "hyperVGeneration": generation,
            "architecture": a_word(properties.get("architecture")) or "x64",
            "endOfLifeDate": spelling.moment(text(properties.get("endOfLifeDate"))),
            "recommended": _recommended(inside(properties, "recommended")),
            "disallowed": _disallowed(inside(properties, "disallowed"), marks),
            "purchasePlan": members(inside(properties, "purchasePlan"), ("name", "publisher", "product"), text),
            "features": _features(properties, generation, marks),
            "tags": own_tags(body),
        }
    )
    free = {name: free_text(properties, name, marks) for name in _TEXTS}
    return found | {name: value for name, value in free.items() if value is not None}


def _recommended(recommended: Shown) -> dict[str, Any]:
    return present({what: members(inside(recommended, what), ("min", "max"), number) for what in ("vCPUs", "memory")})


def _disallowed(disallowed: Shown, marks: Marks) -> dict[str, Any]:
    types = {marks.spelling(one) or spelling.word(one) for one in texts(disallowed.get("diskTypes"))}
    return present({"diskTypes": sorted(types)})


def _features(properties: Shown, generation: str, marks: Marks) -> dict[str, Any]:
    found = {}
    for feature in objects(properties.get("features")):
        name = spelling.feature_name(text(feature.get("name")))
        if name:
            read = {"value": a_word(feature.get("value")), "startsAtVersion": text(feature.get("startsAtVersion"))}
            found[name] = present(read)
    planned = f"features.{SECURITY}" in marks.declared
    if planned:
        found.setdefault(SECURITY, {"value": "Standard"})
    elif found.get(SECURITY) == {"value": _UNSAID_SECURITY.get(generation)}:
        del found[SECURITY]
    return found
