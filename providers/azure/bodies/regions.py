"""Target regions, edge zones and their encryption keys: attributes to bodies, and back.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.manifests.values import Attributes
from reconciler.providers.azure.bodies.json_reading import (
    JsonObject,
    enum_value,
    flag,
    inside,
    number,
    objects,
    present,
    text,
)
from reconciler.providers.azure.service import canonical_values
from reconciler.providers.azure.service.tag_metadata import TagMetadata


def target_regions(regions: Mapping[str, Attributes], now: JsonObject) -> list[dict[str, Any]]:
    """The `targetRegions` of a PUT, sorted by name. Members of a region that are in `now`, the version as the service
    shows it, but not in ours are sent unchanged: most are fixed, and the service must not choose them again."""
    shown = _shown_regions(now)
    return [{**shown.get(name, {}), **_region_body(name, regions[name])} for name in sorted(regions)]


def _region_body(name: str, region: Attributes) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": name,
        "regionalReplicaCount": region["replicas"],
        "excludeFromLatest": region["excludeFromLatest"],
    }
    if "storageAccountType" in region:
        body["storageAccountType"] = region["storageAccountType"]
    if "encryption" in region:
        body["encryption"] = _encryption_body(region["encryption"])
    if "additionalReplicaSets" in region:
        body["additionalReplicaSets"] = [
            {"storageAccountType": storage, "regionalReplicaCount": more["replicas"]}
            for storage, more in sorted(region["additionalReplicaSets"].items())
        ]
    return body


def extended_locations(attributes: Attributes) -> list[dict[str, Any]]:
    """The `targetExtendedLocations` of a PUT, sorted by edge zone."""
    locations = []
    for zone, planned in sorted(attributes.get("targetExtendedLocations", {}).items()):
        body = {**planned, "extendedLocation": {"name": zone, **planned["extendedLocation"]}}
        if "encryption" in planned:
            body["encryption"] = _encryption_body(planned["encryption"])
        locations.append(body)
    return locations


def _encryption_body(encryption: Attributes) -> dict[str, Any]:
    body = dict(encryption)
    if "dataDiskImages" in encryption:
        disks = sorted(encryption["dataDiskImages"].items(), key=lambda disk: int(disk[0]))
        body["dataDiskImages"] = [{"lun": int(lun), **keys} for lun, keys in disks]
    return body


def region_attributes(body: JsonObject, metadata: TagMetadata) -> dict[str, dict[str, Any]]:
    """Canonical region -> its attributes, for all target regions of a version, ours or not."""
    profile = inside(body, "properties", "publishingProfile")
    return {
        name: _region(entry, profile, f"targetRegions.{name}.storageAccountType" in metadata.declared, metadata)
        for name, entry in _shown_regions(body).items()
    }


def _shown_regions(body: JsonObject) -> dict[str, JsonObject]:
    entries = objects(inside(body, "properties", "publishingProfile").get("targetRegions"))
    return {name: entry for entry in entries if (name := canonical_values.region(entry.get("name")))}


def _region(entry: JsonObject, profile: JsonObject, with_storage: bool, metadata: TagMetadata) -> dict[str, Any]:
    excluded = flag(entry.get("excludeFromLatest"))
    return {
        "replicas": number(entry.get("regionalReplicaCount")) or number(profile.get("replicaCount")) or 1,
        "excludeFromLatest": flag(profile.get("excludeFromLatest")) or False if excluded is None else excluded,
        **present(
            {
                "storageAccountType": enum_value(entry.get("storageAccountType")) if with_storage else None,
                "encryption": _encryption(inside(entry, "encryption"), metadata),
                "additionalReplicaSets": _replica_sets(entry),
            }
        ),
    }


def _replica_sets(entry: JsonObject) -> dict[str, Any]:
    return {
        storage: {"replicas": number(more.get("regionalReplicaCount")) or 1}
        for more in objects(entry.get("additionalReplicaSets"))
        if (storage := enum_value(more.get("storageAccountType")))
    }


def read_extended_locations(profile: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    """Edge zone -> its attributes."""
    usual = (1, number(profile.get("replicaCount")))
    zones = {}
    for entry in objects(profile.get("targetExtendedLocations")):
        place = inside(entry, "extendedLocation")
        name = text(place.get("name"))
        zone = metadata.as_planned(name) or name
        if zone:
            zones[zone] = _edge_zone(entry, enum_value(place.get("type")), zone, usual, metadata)
    return zones


def _edge_zone(
    entry: JsonObject, kind: str, zone: str, usual: tuple[int | None, ...], metadata: TagMetadata
) -> dict[str, Any]:
    path = f"targetExtendedLocations.{zone}"
    count = number(entry.get("extendedLocationReplicaCount"))
    counted = f"{path}.extendedLocationReplicaCount" in metadata.declared or count not in usual
    stored = f"{path}.storageAccountType" in metadata.declared
    return present(
        {
            "name": canonical_values.region(entry.get("name")),
            "extendedLocation": {"type": kind or "EdgeZone"},
            "extendedLocationReplicaCount": count if counted else None,
            "storageAccountType": enum_value(entry.get("storageAccountType")) if stored else None,
            "encryption": _encryption(inside(entry, "encryption"), metadata),
        }
    )


def _encryption(encryption: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    disks = {
        str(lun): _keys(disk, metadata)
        for disk in objects(encryption.get("dataDiskImages"))
        if (lun := number(disk.get("lun"))) is not None
    }
    return present({"osDiskImage": _keys(inside(encryption, "osDiskImage"), metadata), "dataDiskImages": disks})


def _keys(disk: JsonObject, metadata: TagMetadata) -> dict[str, Any]:
    security = inside(disk, "securityProfile")
    return present(
        {
            "diskEncryptionSetId": _id(disk.get("diskEncryptionSetId"), metadata),
            "securityProfile": present(
                {
                    "confidentialVMEncryptionType": enum_value(security.get("confidentialVMEncryptionType")),
                    "secureVMDiskEncryptionSetId": _id(security.get("secureVMDiskEncryptionSetId"), metadata),
                }
            ),
        }
    )


def _id(value: Any, metadata: TagMetadata) -> str:
    key_id = text(value)
    return metadata.as_planned(key_id) or key_id
