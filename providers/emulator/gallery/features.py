"""The features of an image definition: their names and values, what the service adds, and how they may change.

Source: Azure's documentation of image definitions; the Compute Gallery REST specification,
GalleryImage_UpdateFeatures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.providers.emulator.core.arm import ArmRequest, Body
from reconciler.providers.emulator.core.body_fields import Fields
from reconciler.providers.emulator.core.resources import changed
from reconciler.providers.emulator.core.store import Resource

SECURITY = "SecurityType"
SECURITY_TYPES = (
    "Standard",
    "TrustedLaunchSupported",
    "TrustedLaunch",
    "ConfidentialVmSupported",
    "ConfidentialVM",
    "TrustedLaunchAndConfidentialVmSupported",
)
NEEDS_PRIVATE = ("TrustedLaunch", "ConfidentialVM")
_DISK_CONTROLLERS = "DiskControllerTypes"
_CHOICES: Mapping[str, tuple[str, ...]] = {
    SECURITY: SECURITY_TYPES,
    "IsHibernateSupported": ("True", "False"),
    "IsAcceleratedNetworkSupported": ("True", "False"),
    _DISK_CONTROLLERS: ("SCSI", "SCSI, NVMe", "NVMe, SCSI"),
}
_VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)


def security_type(definition: Resource) -> str:
    """The security type of a definition; empty when it has none."""
    for feature in definition.properties.get("features", ()):
        if feature["name"] == SECURITY:
            return str(feature["value"])
    return ""


def definition_features(request: ArmRequest, properties: Fields, definition: Resource, *, new: bool) -> list[Body]:
    """The features after this write. Raises: ArmError when this change of them is not allowed."""
    given = [_feature(entry) for entry in properties.objects("features")]
    names = [feature["name"] for feature in given]
    if len(set(names)) < len(names):
        raise properties.refuse("features", "A feature is there twice.")
    if new:
        return _with_default(request, [_normal(feature) for feature in given], definition)
    stored: list[Body] = list(definition.properties.get("features", ()))
    if not properties.has("features"):
        return stored
    return _changed_features(request, properties, stored, given)


def _feature(entry: Fields) -> Body:
    name = str(entry.choice("name", tuple(_CHOICES), required=True))
    value = entry.text("value", required=True)
    spelled = next((choice for choice in _CHOICES[name] if choice.lower() == str(value).lower()), None)
    if spelled is None:
        allowed = ", ".join(_CHOICES[name])
        raise entry.refuse("value", f"The value '{value}' of feature '{name}' is invalid. Allowed are: {allowed}.")
    feature: Body = {"name": name, "value": spelled}
    starts = entry.text("startsAtVersion")
    if starts:
        if not _VERSION.fullmatch(starts):
            raise entry.refuse("startsAtVersion", f"'{starts}' is not Major.Minor.Patch.")
        feature["startsAtVersion"] = starts
    return feature


def _normal(feature: Body) -> Body:
    """The service stores one order of the disk controllers; sending the other order later counts as a change."""
    if feature["name"] == _DISK_CONTROLLERS and feature["value"] == "NVMe, SCSI":
        return {**feature, "value": "SCSI, NVMe"}
    return feature


def _with_default(request: ArmRequest, features: list[Body], definition: Resource) -> list[Body]:
    """From api-version 2025-03-03 on, generation 2 images without a security type support Trusted Launch."""
    named = any(feature["name"] == SECURITY for feature in features)
    if named or request.api_version < "2025-03-03" or definition.properties["hyperVGeneration"] != "V2":
        return features
    return [*features, {"name": SECURITY, "value": "TrustedLaunchSupported"}]


def _changed_features(request: ArmRequest, properties: Fields, stored: list[Body], given: list[Body]) -> list[Body]:
    before = {feature["name"]: feature for feature in stored}
    after = {feature["name"]: feature for feature in given}
    if SECURITY in before and SECURITY not in after:
        after[SECURITY] = before[SECURITY]
    differing = [name for name in after | before if _value(before, name) != _value(after, name)]
    if not differing:
        return stored
    allowed = properties.flag("allowUpdateImage") and request.api_version >= "2024-03-03"
    for name in differing:
        if not allowed or name not in after:
            raise changed(properties.path("features"), _value(before, name), _value(after, name))
        if "startsAtVersion" not in after[name]:
            raise properties.refuse("features", f"The changed feature '{name}' needs a startsAtVersion.")
    return [_normal(feature) for feature in after.values()]


def _value(features: Mapping[str, Body], name: str) -> str | None:
    return features[name]["value"].lower() if name in features else None
