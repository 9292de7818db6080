"""`Microsoft.Compute/images`: managed images.

Source: the Compute REST specification of images; what the Azure CLI sends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.providers.emulator.compute.disk_sources import DiskSource, from_blob, from_disk
from reconciler.providers.emulator.content.content_users import drop_content
from reconciler.providers.emulator.content.disk_kinds import kind_of_vm
from reconciler.providers.emulator.core.arm import ArmError, ArmRequest, Body
from reconciler.providers.emulator.core.body_fields import Fields, without_nones
from reconciler.providers.emulator.core.ids import DISK, IMAGE, SNAPSHOT, VIRTUAL_MACHINE, linked, same_region
from reconciler.providers.emulator.core.json_schema import (
    FLAG,
    TEXT,
    WHOLE,
    list_of,
    object_of,
    one_of,
    tracked_resource,
)
from reconciler.providers.emulator.core.resources import ResourceType, fixed
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.simple_resources import SimpleResourceType
from reconciler.providers.emulator.core.store import Resource

_CACHING = ("None", "ReadOnly", "ReadWrite")
_OS_TYPES = ("Linux", "Windows")
_OS_STATES = ("Generalized", "Specialized")
_GENERATIONS = ("V1", "V2")
_SKUS = ("Standard_LRS", "Premium_LRS", "StandardSSD_LRS", "Standard_ZRS", "StandardSSD_ZRS", "Premium_ZRS")
_PLACES = ("managedDisk", "snapshot", "blobUri")
_DISK_MEMBERS = ("caching", *_PLACES)


def _make(service: Service, _request: ArmRequest, image: Resource, fields: Fields) -> None:
    properties = fields.object("properties")
    storage = properties.object("storageProfile")
    generation = properties.choice("hyperVGeneration", _GENERATIONS)
    if properties.has("sourceVirtualMachine"):
        given = properties.object("sourceVirtualMachine")
        vm = linked(service, given.text("id", required=True) or "", [VIRTUAL_MACHINE], given.path("id"))
        same_region(vm, image.hidden["region"], given.path("id"))
        if storage.has("osDisk") or storage.objects("dataDisks"):
            raise storage.refuse("osDisk", "'sourceVirtualMachine' and disks exclude each other.")
        _capture(service, image, vm, given.path("id"))
        fixed(properties, "hyperVGeneration", image.properties["hyperVGeneration"], generation)
    else:
        _assemble(service, image, storage)
        image.properties.setdefault("hyperVGeneration", generation or "V1")
        fixed(properties, "hyperVGeneration", image.properties["hyperVGeneration"], generation)
    image.properties["storageProfile"]["zoneResilient"] = bool(storage.flag("zoneResilient"))


def _capture(service: Service, image: Resource, vm: Resource, target: str) -> None:
    """Copies the disks of a virtual machine."""
    if not vm.hidden["generalized"]:
        raise ArmError(
            409,
            "OperationNotAllowed",
            f"The virtual machine '{vm.name}' is not generalized: it cannot be captured as a managed image.",
            target,
        )
    disk_kind, profile = kind_of_vm(vm), vm.properties["storageProfile"]
    os_disk = {**_captured(service, image, "os", profile["osDisk"], target)}
    os_disk = {"osType": disk_kind.os_type, "osState": disk_kind.os_state, **os_disk}
    data = [
        {"lun": disk["lun"], **_captured(service, image, str(disk["lun"]), disk, target)}
        for disk in profile.get("dataDisks", ())
    ]
    image.properties["sourceVirtualMachine"] = {"id": vm.id}
    image.properties["hyperVGeneration"] = disk_kind.generation
    image.properties["storageProfile"] = {"osDisk": os_disk, "dataDisks": data}
    image.hidden["plan"] = vm.body.get("plan")


def _captured(service: Service, image: Resource, name: str, disk: Mapping[str, Any], target: str) -> Body:
    managed = linked(service, disk["managedDisk"]["id"], [DISK], target)
    disk_source = from_disk(service, managed.id, image.hidden["region"], target)
    _keep(image, name, disk_source, disk_source.size_gb)
    return {
        "managedDisk": {"id": managed.id},
        "diskSizeGB": disk_source.size_gb,
        "caching": disk.get("caching") or "None",
        "storageAccountType": managed.body["sku"]["name"],
    }


def _assemble(service: Service, image: Resource, storage: Fields) -> None:
    """Copies the disks that the request names."""
    if not storage.has("osDisk"):
        raise storage.refuse("osDisk", "Required parameter 'storageProfile.osDisk' is missing (null).")
    given = storage.object("osDisk")
    os_type = given.choice("osType", _OS_TYPES, required=True)
    os_state = given.choice("osState", _OS_STATES, required=True)
    shown, disk_source = _named_disk(service, image, "os", given)
    if disk_source.os_type not in (None, os_type):
        raise given.refuse("osType", f"The OS type {os_type} is not the source's, {disk_source.os_type}.")
    data = []
    for entry in storage.objects("dataDisks"):
        lun = entry.whole("lun", 0, 63)
        if lun is None or str(lun) in image.hidden["disks"]:
            raise entry.refuse("lun", f"Each data disk needs a lun of its own, and this is {lun}.")
        data.append({"lun": lun, **_named_disk(service, image, str(lun), entry)[0]})
    os_disk = {"osType": os_type, "osState": os_state, **shown}
    image.properties["storageProfile"] = {"osDisk": os_disk, "dataDisks": data}
    if disk_source.generation:
        image.properties["hyperVGeneration"] = disk_source.generation


def _named_disk(service: Service, image: Resource, name: str, given: Fields) -> tuple[Body, DiskSource]:
    """A disk as answers show it, and its source. Raises: ArmError unless it has exactly one source."""
    places = [place for place in _PLACES if given.has(place)]
    if len(places) != 1:
        raise given.refuse("managedDisk", f"Give exactly one of {', '.join(_PLACES)}, not {len(places)}.")
    (place,) = places
    source: Body | str
    if place == "blobUri":
        source = given.text(place) or ""
        disk_source = from_blob(service, source, given.path(place))
    else:
        below = given.object(place)
        types, target = {"managedDisk": [DISK], "snapshot": [SNAPSHOT]}[place], below.path("id")
        disk = linked(service, below.text("id", required=True) or "", types, target)
        disk_source = from_disk(service, disk.id, image.hidden["region"], target)
        source = {"id": disk.id}
    size_gb = given.whole("diskSizeGB", 1, 32_767) or disk_source.size_gb
    if size_gb < disk_source.size_gb:
        raise given.refuse(
            "diskSizeGB", f"The size of {size_gb} GB is less than the source's {disk_source.size_gb} GB."
        )
    _keep(image, name, disk_source, size_gb)
    more = without_nones(
        caching=given.choice("caching", _CACHING) or "None",
        storageAccountType=given.choice("storageAccountType", _SKUS) or "Standard_LRS",
        diskSizeGB=size_gb,
    )
    return {place: source, **more}, disk_source


def _keep(image: Resource, name: str, disk_source: DiskSource, size_gb: int) -> None:
    image.hidden.setdefault("disks", {})[name] = {"sizeInGB": size_gb, "content": disk_source.content}


def _change(_service: Service, image: Resource, fields: Fields, _replaced: bool) -> None:
    """Raises: ArmError for any change: only the tags of a managed image can change."""
    properties = fields.object("properties")
    fixed(
        properties,
        "hyperVGeneration",
        image.properties["hyperVGeneration"],
        properties.text("hyperVGeneration") or None,
    )
    stored = image.properties["storageProfile"]
    storage = properties.object("storageProfile")
    _same_disk(storage.object("osDisk"), stored["osDisk"], "osType", "osState", *_DISK_MEMBERS)
    by_lun = {disk["lun"]: disk for disk in stored["dataDisks"]}
    for entry in storage.objects("dataDisks"):
        lun = entry.whole("lun", 0, 63)
        if lun not in by_lun:
            fixed(entry, "lun", sorted(by_lun), lun)
        else:
            _same_disk(entry, by_lun[lun], *_DISK_MEMBERS)


def _same_disk(given: Fields, stored: Mapping[str, Any], *names: str) -> None:
    for name in names:
        fixed(given, name, stored.get(name) or {}, given.get(name))


_DISK = {
    **dict.fromkeys(("managedDisk", "snapshot"), object_of(id=TEXT)),
    "blobUri": TEXT,
    "diskSizeGB": WHOLE,
    "caching": one_of(*_CACHING),
    "storageAccountType": one_of(*_SKUS),
}
_BODY = tracked_resource(
    properties=object_of(
        hyperVGeneration=one_of(*_GENERATIONS),
        sourceVirtualMachine=object_of(id=TEXT),
        storageProfile=object_of(
            osDisk=object_of("osType", "osState", osType=one_of(*_OS_TYPES), osState=one_of(*_OS_STATES), **_DISK),
            dataDisks=list_of(object_of(lun=WHOLE, **_DISK)),
            zoneResilient=FLAG,
        ),
    )
)

IMAGES = SimpleResourceType(
    ResourceType(
        IMAGE,
        "image",
        re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?"),
        "letters, digits, '.', '_' and '-', 1 to 80 of them, beginning with a letter or digit.",
    ),
    "images",
    _BODY,
    _make,
    _change,
    seconds=15.0,
    after_delete=drop_content,
)
HANDLERS = IMAGES.handlers()
