"""The publishing profile of an image version: the regions with its copies, and their storage.

Source: the Compute Gallery REST specification; Azure's documentation and troubleshooting guide of image versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.providers.emulator.core.arm import ArmError, ArmRequest, Body
from reconciler.providers.emulator.core.body_fields import Fields, without_nones
from reconciler.providers.emulator.core.ids import ENCRYPTION_SET, type_of
from reconciler.providers.emulator.core.locations import Location, find
from reconciler.providers.emulator.core.resources import changed, fixed
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.gallery.definitions import future

STORAGE_TYPES = ("Standard_LRS", "Standard_ZRS", "Premium_LRS", "PremiumV2_LRS")
STRATEGIES = ("PreferStandard_ZRS", "DefaultStandard_LRS")
EDGE_STORAGE_TYPES = ("Standard_LRS", "Standard_ZRS", "StandardSSD_LRS", "Premium_LRS")
MODES = ("Full", "Shallow")
MOST_REPLICAS = 100
CONFIDENTIAL = (
    "EncryptedVMGuestStateOnlyWithPmk",
    "EncryptedWithPmk",
    "EncryptedWithCmk",
    "NonPersistedTPM",
    "DataDiskEncryptedWithCmk",
)


def region_of(entry: Mapping[str, Any]) -> str:
    """The canonical region of a stored target region."""
    location = find(entry["name"])
    if location is None:
        raise ValueError(f"unknown region stored: {entry['name']}. This is a bug.")
    return location.name


def publishing_profile(
    service: Service, request: ArmRequest, profile: Fields, home: Location, before: Body | None, *, replace: bool
) -> Body:
    """The profile after this write; `before` is the stored profile, None for a new version. Raises: ArmError."""
    stored = before or {}
    written: Body = {"publishedDate": stored.get("publishedDate") or service.stamp()}
    kept = {} if replace else stored
    written["replicaCount"] = profile.whole("replicaCount", 1, MOST_REPLICAS) or kept.get("replicaCount", 1)
    exclude = profile.flag("excludeFromLatest")
    written["excludeFromLatest"] = kept.get("excludeFromLatest", False) if exclude is None else exclude
    end = profile.moment("endOfLifeDate")
    if end is not None:
        end = future(service, profile, end, stored.get("endOfLifeDate"))
    mode = profile.choice("replicationMode", MODES)
    if before is not None:
        fixed(profile, "replicationMode", before.get("replicationMode", MODES[0]), mode)
    mode = mode or stored.get("replicationMode")
    written |= without_nones(endOfLifeDate=end or stored.get("endOfLifeDate"), replicationMode=mode)
    written |= _storage(request, profile, before)
    written["targetRegions"] = _target_regions(service, profile, written, home, stored.get("targetRegions"))
    edges = _edge_zones(profile)
    if edges or (not profile.has("targetExtendedLocations") and "targetExtendedLocations" in kept):
        written["targetExtendedLocations"] = edges or kept["targetExtendedLocations"]
    if mode == "Shallow":
        _check_shallow(profile, written, home)
    return written


def _storage(request: ArmRequest, profile: Fields, before: Body | None) -> Body:
    """The default storage of regions: a type or, since api-version 2025-03-03, a strategy."""
    kind = profile.choice("storageAccountType", STORAGE_TYPES)
    strategy = None
    if request.api_version >= "2025-03-03":
        strategy = profile.choice("storageAccountStrategy", STRATEGIES)
    if kind and strategy:
        raise profile.refuse(
            "storageAccountStrategy", "storageAccountType and storageAccountStrategy exclude each other."
        )
    if before is not None:
        _check_kept_storage(profile, kind, before)
        return without_nones(
            storageAccountType=before.get("storageAccountType"),
            storageAccountStrategy=fixed(
                profile, "storageAccountStrategy", before.get("storageAccountStrategy"), strategy
            ),
        )
    if kind is None and strategy is None:
        modern = request.api_version >= "2025-03-03"
        return {"storageAccountStrategy": STRATEGIES[0]} if modern else {"storageAccountType": STORAGE_TYPES[0]}
    return without_nones(storageAccountType=kind, storageAccountStrategy=strategy)


def _check_kept_storage(profile: Fields, kind: str | None, before: Body) -> None:
    if kind is None or kind == before.get("storageAccountType"):
        return
    for entry in before["targetRegions"]:
        if entry["storageAccountType"] != kind:
            raise ArmError(
                409,
                "PropertyChangeNotAllowed",
                f"The storage account type of region '{entry['name']}' is '{entry['storageAccountType']}' and cannot "
                f"become '{kind}'.",
                profile.path("storageAccountType"),
            )


def _target_regions(
    service: Service, profile: Fields, written: Body, home: Location, before: list[Body] | None
) -> list[Body]:
    if not profile.has("targetRegions"):
        if before is not None:
            return before
        entries = [Fields({"name": home.name}, profile.path("targetRegions"))]
    else:
        entries = profile.objects("targetRegions")
    stored = {region_of(entry): entry for entry in before or ()}
    regions: dict[str, Body] = {}
    for entry in entries:
        location = _location(entry)
        if location.name in regions:
            raise profile.refuse("targetRegions", f"The target region '{location.display_name}' is there twice.")
        regions[location.name] = _target_region(entry, location, written, stored.get(location.name))
    if home.name not in regions:
        raise profile.refuse(
            "targetRegions",
            f"The location '{home.display_name}' of the image version must be among its target regions.",
        )
    total = sum(region["regionalReplicaCount"] for region in regions.values())
    if total > MOST_REPLICAS:
        raise profile.refuse("targetRegions", f"{total} replicas are too many: the limit is {MOST_REPLICAS}.")
    _check_encryption(service, profile, list(regions.values()))
    return list(regions.values())


def _location(entry: Fields) -> Location:
    name = str(entry.text("name", required=True))
    location = find(name)
    if location is None:
        raise entry.refuse("name", f"The region '{name}' is not valid, or not enabled for the subscription.")
    return location


def _target_region(entry: Fields, location: Location, profile: Body, before: Body | None) -> Body:
    count = entry.whole("regionalReplicaCount", 1, MOST_REPLICAS) or profile["replicaCount"]
    kind = entry.choice("storageAccountType", STORAGE_TYPES)
    if before is None:
        kind = kind or _default_storage(profile, location)
    elif kind is not None and kind != before["storageAccountType"]:
        raise ArmError(
            409,
            "PropertyChangeNotAllowed",
            f"The storage account type of region '{location.display_name}' cannot change from "
            f"'{before['storageAccountType']}' to '{kind}'.",
            entry.path("storageAccountType"),
        )
    else:
        kind = before["storageAccountType"]
    if kind == "Standard_ZRS" and not location.zones:
        raise entry.refuse("storageAccountType", f"Standard_ZRS is not supported in region '{location.display_name}'.")
    region: Body = {"name": location.display_name, "regionalReplicaCount": count, "storageAccountType": kind}
    encryption = _encryption(entry)
    if before is not None:
        _check_kept(entry, "encryption", before.get("encryption"), encryption, location)
    sets = _replica_sets(entry)
    return region | without_nones(
        excludeFromLatest=entry.flag("excludeFromLatest"), encryption=encryption, additionalReplicaSets=sets
    )


def _default_storage(profile: Body, location: Location) -> str:
    if "storageAccountType" in profile:
        return str(profile["storageAccountType"])
    prefers_zones = profile["storageAccountStrategy"] == STRATEGIES[0]
    return "Standard_ZRS" if prefers_zones and location.zones else "Standard_LRS"


def _check_kept(entry: Fields, name: str, before: Any, after: Any, location: Location) -> None:
    if before != after:
        raise changed(f"{entry.path(name)} of region {location.display_name}", before, after)


def _replica_sets(entry: Fields) -> list[Body] | None:
    sets = [
        {
            "storageAccountType": replica_set.choice("storageAccountType", STORAGE_TYPES, required=True),
            "regionalReplicaCount": replica_set.whole("regionalReplicaCount", 1, MOST_REPLICAS) or 1,
        }
        for replica_set in entry.objects("additionalReplicaSets")
    ]
    types = [replica_set["storageAccountType"] for replica_set in sets]
    if len(set(types)) < len(types):
        raise entry.refuse("additionalReplicaSets", "A storage account type is there twice.")
    return sets or None


def _encryption(entry: Fields) -> Body | None:
    encryption = entry.object("encryption")
    os_disk = encryption.object("osDiskImage")
    encrypted: Body = {}
    if os_disk.values:
        encrypted["osDiskImage"] = _disk_encryption(os_disk)
    data = [{"lun": disk.whole("lun", 0), **_disk_encryption(disk)} for disk in encryption.objects("dataDiskImages")]
    luns = [disk["lun"] for disk in data]
    if None in luns or len(set(luns)) < len(luns):
        raise encryption.refuse("dataDiskImages", "Each data disk needs a lun of its own.")
    if data:
        encrypted["dataDiskImages"] = sorted(data, key=lambda disk: disk["lun"])
    return encrypted or None


def _disk_encryption(disk: Fields) -> Body:
    security = disk.object("securityProfile")
    profile = without_nones(
        confidentialVMEncryptionType=security.choice("confidentialVMEncryptionType", CONFIDENTIAL),
        secureVMDiskEncryptionSetId=_encryption_set(security, "secureVMDiskEncryptionSetId"),
    )
    key = _encryption_set(disk, "diskEncryptionSetId")
    return without_nones(diskEncryptionSetId=key, securityProfile=profile or None)


def _encryption_set(fields: Fields, name: str) -> str | None:
    key = fields.text(name) or None
    if key is not None and type_of(key) != ENCRYPTION_SET:
        raise fields.refuse(name, f"'{key}' is not the id of a disk encryption set.")
    return key


def _check_encryption(service: Service, profile: Fields, regions: list[Body]) -> None:
    """Raises: ArmError unless a disk has customer keys, of this subscription, in all regions or in none."""
    for key in (key for region in regions for key in _keys(region.get("encryption", {}))):
        if key.split("/")[2].lower() != service.subscription.lower():
            raise profile.refuse("targetRegions", f"The disk encryption set '{key}' is of another subscription.")
    covered = [_encrypted_disks(region.get("encryption", {})) for region in regions]
    if any(disks != covered[0] for disks in covered):
        raise profile.refuse(
            "targetRegions", "A disk that is encrypted with a disk encryption set in one region must be so in all."
        )


def _keys(encryption: Body) -> list[str]:
    disks = [encryption.get("osDiskImage", {}), *encryption.get("dataDiskImages", ())]
    keys = [disk.get("diskEncryptionSetId") for disk in disks]
    keys += [disk.get("securityProfile", {}).get("secureVMDiskEncryptionSetId") for disk in disks]
    return [key for key in keys if key]


def _encrypted_disks(encryption: Body) -> set[str]:
    disks = {f"lun {disk['lun']}" for disk in encryption.get("dataDiskImages", ()) if "diskEncryptionSetId" in disk}
    return disks | ({"os"} if "diskEncryptionSetId" in encryption.get("osDiskImage", {}) else set())


def _edge_zones(profile: Fields) -> list[Body]:
    zones = []
    for entry in profile.objects("targetExtendedLocations"):
        zone = entry.object("extendedLocation")
        zones.append(
            without_nones(
                name=_location(entry).display_name,
                extendedLocation={
                    "name": zone.text("name", required=True),
                    "type": zone.choice("type", ("EdgeZone", "Unknown")) or "EdgeZone",
                },
                extendedLocationReplicaCount=entry.whole("extendedLocationReplicaCount", 1, MOST_REPLICAS) or 1,
                storageAccountType=entry.choice("storageAccountType", EDGE_STORAGE_TYPES) or "Standard_LRS",
                encryption=_encryption(entry),
            )
        )
    return zones


def _check_shallow(profile: Fields, written: Body, home: Location) -> None:
    """Source: issues of the Packer plugin for Azure: one replica, in the home region only; no encryption set."""
    regions = written["targetRegions"]
    if len(regions) > 1 or regions[0]["regionalReplicaCount"] > 1 or "encryption" in regions[0]:
        raise profile.refuse(
            "replicationMode",
            f"Shallow replication means one replica, in '{home.display_name}' alone, without an encryption set.",
        )
