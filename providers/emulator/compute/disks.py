"""`Microsoft.Compute/disks` and `Microsoft.Compute/snapshots`.

Source: the Compute REST specification of disks and snapshots; what the Azure CLI sends.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

from reconciler.providers.emulator.compute.disk_sources import (
    DISK_REFERENCE,
    DiskSource,
    from_blob,
    from_disk,
    from_image,
)
from reconciler.providers.emulator.content.content_users import drop_content
from reconciler.providers.emulator.core.arm import ArmError, ArmRequest, Body
from reconciler.providers.emulator.core.body_fields import Fields, without_nones
from reconciler.providers.emulator.core.ids import DISK, ENCRYPTION_SET, SNAPSHOT, type_of
from reconciler.providers.emulator.core.json_schema import (
    ANY_OBJECT,
    FLAG,
    TEXT,
    WHOLE,
    Schema,
    list_of,
    object_of,
    one_of,
    texts,
    tracked_resource,
)
from reconciler.providers.emulator.core.resources import ResourceType, fixed
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.simple_resources import SimpleResourceType
from reconciler.providers.emulator.core.store import Resource

_NAME_PATTERN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?")
_NAME_RULE = "letters, digits, '.', '_' and '-', 1 to 80 of them, beginning with a letter or digit."
SKUS = {
    DISK: (
        "Standard_LRS",
        "Premium_LRS",
        "StandardSSD_LRS",
        "UltraSSD_LRS",
        "Premium_ZRS",
        "StandardSSD_ZRS",
        "PremiumV2_LRS",
    ),
    SNAPSHOT: ("Standard_LRS", "Premium_LRS", "Standard_ZRS"),
}
_OPTIONS = ("Empty", "Copy", "CopyStart", "Import", "Upload", "FromImage")
_OS_TYPES = ("Linux", "Windows")
_GENERATIONS = ("V1", "V2")
_PLATFORM_KEY, _CUSTOMER_KEY = "EncryptionAtRestWithPlatformKey", "EncryptionAtRestWithCustomerKey"
_ENCRYPTIONS = (_PLATFORM_KEY, _CUSTOMER_KEY, "EncryptionAtRestWithPlatformAndCustomerKeys")
_LARGEST_GB = 65_536
_GIB = 1 << 30
_FOOTER = 512
_KEPT_OBJECTS = ("supportedCapabilities", "securityProfile", "purchasePlan")
_KEPT_TEXTS = ("networkAccessPolicy", "publicNetworkAccess", "diskAccessId", "tier", "dataAccessAuthMode")
_CREATION = ("sourceUri", "storageAccountId", "sourceResourceId")


def new_disk(service: Service, disk: Resource, disk_source: DiskSource, *, option: str, size_gb: int, sku: str) -> None:
    """Fills in a disk that is made from `disk_source`, except for what the request has already set."""
    properties = disk.properties
    properties.setdefault("creationData", {"createOption": option})
    _default(properties, "osType", disk_source.os_type)
    _default(properties, "hyperVGeneration", disk_source.generation)
    _default(properties, "purchasePlan", dict(disk_source.plan) if disk_source.plan else None)
    properties |= {
        "diskSizeGB": size_gb,
        "diskSizeBytes": size_gb * _GIB,
        "timeCreated": service.stamp(),
        "uniqueId": str(uuid.uuid4()),
        "diskState": "ReadyToUpload" if option == "Upload" else "Unattached",
    }
    properties.setdefault("encryption", {"type": _PLATFORM_KEY})
    properties.setdefault("networkAccessPolicy", "AllowAll")
    properties.setdefault("publicNetworkAccess", "Enabled")
    disk.body["sku"] = {"name": sku, "tier": sku.partition("_")[0].removesuffix("SSD").removesuffix("V2")}
    disk.hidden["content"] = disk_source.content


def _default(properties: Body, name: str, value: object) -> None:
    """Sets a value of the source unless the request has set one."""
    if value is not None and name not in properties:
        properties[name] = value


def _make(service: Service, _request: ArmRequest, disk: Resource, fields: Fields) -> None:
    properties = fields.object("properties")
    creation = properties.object("creationData")
    option = creation.choice("createOption", _OPTIONS, required=True) or ""
    if option == "CopyStart" and disk.type == DISK:
        raise creation.refuse("createOption", "CopyStart is for snapshots.")
    disk_source = _disk_source(service, creation, disk.hidden["region"], option)
    size_gb = _size(properties, creation, disk_source, option)
    disk.properties["creationData"] = _creation(creation, option)
    _apply(disk, fields)
    incremental = properties.flag("incremental")
    if disk.type == SNAPSHOT:
        disk.properties["incremental"] = bool(incremental)
    sku = fields.object("sku").choice("name", SKUS[disk.type]) or "Standard_LRS"
    new_disk(service, disk, disk_source, option=option, size_gb=size_gb, sku=sku)


def _disk_source(service: Service, creation: Fields, region: str, option: str) -> DiskSource:
    if option in ("Copy", "CopyStart"):
        text = creation.text("sourceResourceId", required=True) or ""
        path = creation.path("sourceResourceId")
        return from_disk(service, text, region, path, anywhere=option == "CopyStart")
    if option == "Import":
        return from_blob(service, creation.text("sourceUri", required=True) or "", creation.path("sourceUri"))
    if option == "FromImage":
        name = "galleryImageReference" if creation.has("galleryImageReference") else "imageReference"
        reference = creation.object(name)
        return from_image(service, reference, region, reference.whole("lun", 0, 63))
    return DiskSource()


def _size(properties: Fields, creation: Fields, disk_source: DiskSource, option: str) -> int:
    """The size in GiB from the request, which may not be less than the source's, or else that of the source."""
    asked = properties.whole("diskSizeGB", 1, _LARGEST_GB)
    if option == "Upload":
        upload = _upload_size(creation)
        return max(1, -(-(upload - _FOOTER) // _GIB))
    if asked is None and not disk_source.size_gb:
        raise properties.refuse("diskSizeGB", "Required parameter 'disk.diskSizeGB' is missing (null).")
    if asked is not None and asked < disk_source.size_gb:
        raise properties.refuse(
            "diskSizeGB", f"The size of {asked} GB is less than the source's {disk_source.size_gb} GB."
        )
    return asked or disk_source.size_gb


def _upload_size(creation: Fields) -> int:
    """The bytes of an upload. Source: the REST specification: those of the VHD with its footer; at least 20 MiB."""
    size = creation.whole("uploadSizeBytes", (20 << 20) + _FOOTER, _LARGEST_GB * _GIB + _FOOTER)
    if size is None:
        raise creation.refuse("uploadSizeBytes", "Required parameter 'uploadSizeBytes' is missing (null).")
    return size


def _creation(creation: Fields, option: str) -> Body:
    shown: Body = {"createOption": option}
    shown |= {name: creation.text(name) for name in _CREATION if creation.text(name)}
    for name in ("imageReference", "galleryImageReference"):
        if creation.has(name):
            shown[name] = dict(creation.object(name).values)
    if option == "Upload":
        shown["uploadSizeBytes"] = creation.get("uploadSizeBytes")
    return shown


def _apply(disk: Resource, fields: Fields) -> None:
    """Applies what can be changed at any time."""
    properties, stored = fields.object("properties"), disk.properties
    given = without_nones(
        osType=properties.choice("osType", _OS_TYPES),
        hyperVGeneration=properties.choice("hyperVGeneration", _GENERATIONS),
    )
    stored |= given
    for name in _KEPT_TEXTS:
        if text := properties.text(name):
            stored[name] = text
    for name in _KEPT_OBJECTS:
        if properties.has(name):
            stored[name] = dict(properties.object(name).values)
    if properties.has("encryption"):
        stored["encryption"] = _encryption(properties.object("encryption"))
    if zones := fields.texts("zones"):
        disk.body["zones"] = zones


def _encryption(given: Fields) -> Body:
    key_set = given.text("diskEncryptionSetId")
    encryption = given.choice("type", _ENCRYPTIONS) or (_CUSTOMER_KEY if key_set else _PLATFORM_KEY)
    if key_set and type_of(key_set) != ENCRYPTION_SET:
        raise given.refuse("diskEncryptionSetId", f"The value '{key_set}' is not the id of a disk encryption set.")
    if (encryption == _PLATFORM_KEY) == bool(key_set):
        raise given.refuse(
            "diskEncryptionSetId", f"The encryption type {encryption} and a disk encryption set do not fit."
        )
    return without_nones(type=encryption, diskEncryptionSetId=key_set or None)


def _change(_service: Service, disk: Resource, fields: Fields, _replaced: bool) -> None:
    properties = fields.object("properties")
    creation, stored = properties.object("creationData"), disk.properties["creationData"]
    for name in ("createOption", *_CREATION):
        fixed(creation, name, stored.get(name), creation.text(name) or None)
    if size_gb := properties.whole("diskSizeGB", 1, _LARGEST_GB):
        _resize(disk, properties, size_gb)
    _apply(disk, fields)
    if sku := fields.object("sku").choice("name", SKUS[disk.type]):
        disk.body["sku"]["name"] = sku


def _resize(disk: Resource, properties: Fields, size_gb: int) -> None:
    before = disk.properties["diskSizeGB"]
    if size_gb < before:
        raise ArmError(
            409,
            "OperationNotAllowed",
            f"The disk cannot be made smaller than {before} GB.",
            properties.path("diskSizeGB"),
        )
    if size_gb > before and disk.properties["diskState"] == "Attached":
        raise ArmError(
            409,
            "OperationNotAllowed",
            f"The disk '{disk.name}' is attached to a running virtual machine: it cannot be resized.",
            properties.path("diskSizeGB"),
        )
    disk.properties.update(diskSizeGB=size_gb, diskSizeBytes=size_gb * _GIB)


def _refuse_attached(_service: Service, disk: Resource) -> None:
    if vm := disk.body.get("managedBy"):
        raise ArmError(409, "OperationNotAllowed", f"The disk '{disk.name}' is attached to the VM '{vm}'.")


def _body(skus: Sequence[str]) -> Schema:
    creation = object_of(
        "createOption",
        createOption=one_of(*_OPTIONS),
        uploadSizeBytes=WHOLE,
        imageReference=DISK_REFERENCE,
        galleryImageReference=DISK_REFERENCE,
        **texts(*_CREATION),
    )
    properties = object_of(
        creationData=creation,
        diskSizeGB=WHOLE,
        osType=one_of(*_OS_TYPES),
        hyperVGeneration=one_of(*_GENERATIONS),
        encryption=object_of(type=one_of(*_ENCRYPTIONS), diskEncryptionSetId=TEXT),
        incremental=FLAG,
        **texts(*_KEPT_TEXTS),
        **dict.fromkeys(_KEPT_OBJECTS, ANY_OBJECT),
    )
    return tracked_resource(sku=object_of(name=one_of(*skus)), zones=list_of(TEXT), properties=properties)


def _disk_type(resource_type: ResourceType, collection: str) -> SimpleResourceType:
    return SimpleResourceType(
        resource_type,
        collection,
        _body(SKUS[resource_type.name]),
        _make,
        _change,
        seconds=2.0,
        first_status=202,
        before_delete=_refuse_attached,
        after_delete=drop_content,
    )


DISKS = _disk_type(ResourceType(DISK, "disk", _NAME_PATTERN, _NAME_RULE), "disks")
SNAPSHOTS = _disk_type(ResourceType(SNAPSHOT, "snapshot", _NAME_PATTERN, _NAME_RULE), "snapshots")
HANDLERS = DISKS.handlers() + SNAPSHOTS.handlers()
