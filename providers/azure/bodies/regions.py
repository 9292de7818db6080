"""Target regions, edge zones and the keys of their copies, both ways.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.manifests.values import Attributes
from reconciler.providers.azure.bodies.shown import Shown, a_word, flag, inside, number, objects, present, text
from reconciler.providers.azure.service import spelling
from reconciler.providers.azure.service.marks import Marks


def target_regions(regions: Mapping[str, Attributes], now: Shown) -> list[dict[str, Any]]:
    """The `targetRegions` of a PUT, sorted by name. What `now`, the version as the service shows it, says of a region
    and we do not is sent back as it is: most of it is fixed, and what the service chose may not be chosen anew."""
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
    found = []
    for zone, planned in sorted(attributes.get("targetExtendedLocations", {}).items()):
        body = {**planned, "extendedLocation": {"name": zone, **planned["extendedLocation"]}}
        if "encryption" in planned:
            body["encryption"] = _encryption_body(planned["encryption"])
        found.append(body)
    return found


def _encryption_body(encryption: Attributes) -> dict[str, Any]:
    body = dict(encryption)
    if "dataDiskImages" in encryption:
        disks = sorted(encryption["dataDiskImages"].items(), key=lambda disk: int(disk[0]))
        body["dataDiskImages"] = [{"lun": int(lun), **keys} for lun, keys in disks]
    return body


def region_attributes(body: Shown, marks: Marks) -> dict[str, dict[str, Any]]:
    """Canonical region -> its attributes, for all target regions of a version, ours or not."""
    profile = inside(body, "properties", "publishingProfile")
    return {
        name: _region(entry, profile, f"targetRegions.{name}.storageAccountType" in marks.declared, marks)
        for name, entry in _shown_regions(body).items()
    }


def _shown_regions(body: Shown) -> dict[str, Shown]:
    entries = objects(inside(body, "properties", "publishingProfile").get("targetRegions"))
    return {name: entry for entry in entries if (name := spelling.region(entry.get("name")))}


def _region(entry: Shown, profile: Shown, with_storage: bool, marks: Marks) -> dict[str, Any]:
    excluded = flag(entry.get("excludeFromLatest"))
    return {
        "replicas": number(entry.get("regionalReplicaCount")) or number(profile.get("replicaCount")) or 1,
        "excludeFromLatest": flag(profile.get("excludeFromLatest")) or False if excluded is None else excluded,
        **present(
            {
                "storageAccountType": a_word(entry.get("storageAccountType")) if with_storage else None,
                "encryption": _encryption(inside(entry, "encryption"), marks),
                "additionalReplicaSets": _replica_sets(entry),
            }
        ),
    }


def _replica_sets(entry: Shown) -> dict[str, Any]:
    return {
        storage: {"replicas": number(more.get("regionalReplicaCount")) or 1}
        for more in objects(entry.get("additionalReplicaSets"))
        if (storage := a_word(more.get("storageAccountType")))
    }


def read_extended_locations(profile: Shown, marks: Marks) -> dict[str, Any]:
    """Edge zone -> its attributes."""
    usual = (1, number(profile.get("replicaCount")))
    found = {}
    for entry in objects(profile.get("targetExtendedLocations")):
        place = inside(entry, "extendedLocation")
        name = text(place.get("name"))
        zone = marks.spelling(name) or name
        if zone:
            found[zone] = _edge_zone(entry, a_word(place.get("type")), zone, usual, marks)
    return found


def _edge_zone(entry: Shown, kind: str, zone: str, usual: tuple[int | None, ...], marks: Marks) -> dict[str, Any]:
    path = f"targetExtendedLocations.{zone}"
    count = number(entry.get("extendedLocationReplicaCount"))
    counted = f"{path}.extendedLocationReplicaCount" in marks.declared or count not in usual
    stored = f"{path}.storageAccountType" in marks.declared
    return present(
        {
            "name": spelling.region(entry.get("name")),
            "extendedLocation": {"type": kind or "EdgeZone"},
            "extendedLocationReplicaCount": count if counted else None,
            "storageAccountType": a_word(entry.get("storageAccountType")) if stored else None,
            "encryption": _encryption(inside(entry, "encryption"), marks),
        }
    )


def _encryption(encryption: Shown, marks: Marks) -> dict[str, Any]:
    disks = {
        str(lun): _keys(disk, marks)
        for disk in objects(encryption.get("dataDiskImages"))
        if (lun := number(disk.get("lun"))) is not None
    }
    return present({"osDiskImage": _keys(inside(encryption, "osDiskImage"), marks), "dataDiskImages": disks})


def _keys(disk: Shown, marks: Marks) -> dict[str, Any]:
    security = inside(disk, "securityProfile")
    return present(
        {
            "diskEncryptionSetId": _id(disk.get("diskEncryptionSetId"), marks),
            "securityProfile": present(
                {
                    "confidentialVMEncryptionType": a_word(security.get("confidentialVMEncryptionType")),
                    "secureVMDiskEncryptionSetId": _id(security.get("secureVMDiskEncryptionSetId"), marks),
                }
            ),
        }
    )


def _id(value: Any, marks: Marks) -> str:
    found = text(value)
    return marks.spelling(found) or found
