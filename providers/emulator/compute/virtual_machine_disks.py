"""The disks of virtual machines: created from an image, copied, attached; and released with the virtual machine.

Source: the Compute REST specification of virtual machines (storageProfile).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.providers.emulator.compute.disk_sources import (
    IMAGE_REFERENCE,
    LINUX_GB,
    DiskSource,
    from_disk,
    from_image,
)
from reconciler.providers.emulator.compute.disks import SKUS, new_disk
from reconciler.providers.emulator.content.content_users import drop_content
from reconciler.providers.emulator.content.disk_kinds import kind_of_disk
from reconciler.providers.emulator.core.arm import COMPUTE, ArmError, Body
from reconciler.providers.emulator.core.body_fields import Fields, without_nones
from reconciler.providers.emulator.core.ids import DISK, linked, same_region
from reconciler.providers.emulator.core.json_schema import ANY_OBJECT, TEXT, WHOLE, list_of, object_of, one_of
from reconciler.providers.emulator.core.resources import SUCCEEDED
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Resource

_CACHING = ("None", "ReadOnly", "ReadWrite")
_OPTIONS = ("FromImage", "Attach", "Empty", "Copy")
_DELETE_OPTIONS = ("Delete", "Detach")
_OS_TYPES = ("Linux", "Windows")
_DISK = {
    "createOption": one_of(*_OPTIONS),
    "name": TEXT,
    "diskSizeGB": WHOLE,
    "caching": one_of(*_CACHING),
    "deleteOption": one_of(*_DELETE_OPTIONS),
    "managedDisk": object_of(id=TEXT, storageAccountType=one_of(*SKUS[DISK])),
}
STORAGE_PROFILE = object_of(
    imageReference=IMAGE_REFERENCE,
    osDisk=object_of(
        "createOption", osType=one_of(*_OS_TYPES), vhd=object_of(uri=TEXT), diffDiskSettings=ANY_OBJECT, **_DISK
    ),
    dataDisks=list_of(object_of(lun=WHOLE, sourceResource=object_of(id=TEXT), **_DISK)),
)


def make_os_disk(service: Service, vm: Resource, storage: Fields) -> tuple[Body, DiskSource]:
    """The OS disk of a new virtual machine as answers show it, and its source. Raises: ArmError."""
    given = storage.object("osDisk")
    if not given.values:
        raise storage.refuse("osDisk", "Required parameter 'storageProfile.osDisk' is missing (null).")
    option = given.choice("createOption", _OPTIONS, required=True)
    os_type = given.choice("osType", _OS_TYPES)
    if option == "Attach":
        if given.has("vhd"):
            return _unmanaged(given, os_type), DiskSource(os_type=os_type)
        return _attach_os_disk(service, vm, given, os_type)
    if option != "FromImage":
        raise given.refuse("createOption", f"An OS disk is made FromImage, or attached: not by {option}.")
    if not storage.has("imageReference"):
        raise storage.refuse("imageReference", "Required parameter 'imageReference' is missing (null).")
    disk_source = from_image(service, storage.object("imageReference"), vm.hidden["region"])
    if os_type is not None and os_type != disk_source.os_type:
        raise given.refuse("osType", f"The OS type {os_type} is not the image's, {disk_source.os_type}.")
    shown: Body = {"osType": disk_source.os_type, "createOption": option}
    ephemeral = given.object("diffDiskSettings")
    if ephemeral.values:
        shown["diffDiskSettings"] = dict(ephemeral.values)
    name = given.text("name") or f"{vm.name}_OsDisk_1_{uuid.uuid4().hex}"
    shown |= _made(service, vm, given, replace(disk_source, caching=disk_source.caching or "ReadWrite"), name)
    return shown, disk_source


def _unmanaged(given: Fields, os_type: str | None) -> Body:
    """An unmanaged disk: a blob of the user."""
    uri = given.object("vhd").text("uri", required=True)
    return without_nones(
        osType=os_type or "Linux",
        name=given.text("name"),
        createOption="Attach",
        vhd={"uri": uri},
        caching=given.choice("caching", _CACHING) or "ReadWrite",
    )


def _attach_os_disk(service: Service, vm: Resource, given: Fields, os_type: str | None) -> tuple[Body, DiskSource]:
    if os_type is None:
        raise given.refuse("osType", "Required parameter 'osDisk.osType' is missing (null) for an attached OS disk.")
    shown, disk = _attached(service, vm, given, "ReadWrite")
    disk_kind = kind_of_disk(disk)
    if disk_kind.os_type not in (None, os_type):
        raise given.refuse("osType", f"The OS type {os_type} is not the disk's, {disk_kind.os_type}.")
    return {"osType": os_type, **shown}, DiskSource(
        os_type=os_type, generation=disk_kind.generation, os_state="Specialized"
    )


def make_data_disks(service: Service, vm: Resource, storage: Fields) -> list[Body]:
    """The data disks of a virtual machine: present ones are kept, new ones created or attached, others released.

    Raises: ArmError.
    """
    before = {disk["lun"]: disk for disk in _profile(vm).get("dataDisks", ())}
    disks: dict[int, Body] = {}
    for given in storage.objects("dataDisks"):
        lun = given.whole("lun", 0, 63)
        if lun is None or lun in disks:
            raise given.refuse("lun", f"Each data disk needs a lun of its own, and this is {lun}.")
        disks[lun] = _kept(before, lun, given) or {"lun": lun, **_data_disk(service, vm, storage, given, lun)}
    for lun in before.keys() - disks.keys():
        _release(service, before[lun])
    return list(disks.values())


def _kept(before: Mapping[int, Body], lun: int, given: Fields) -> Body | None:
    """The present disk with a LUN, if the request names that; None otherwise."""
    disk = before.get(lun)
    wanted = given.object("managedDisk").text("id")
    if disk is None or (wanted and wanted.lower() != disk["managedDisk"]["id"].lower()):
        return None
    return disk | without_nones(caching=given.choice("caching", _CACHING))


def _data_disk(service: Service, vm: Resource, storage: Fields, given: Fields, lun: int) -> Body:
    option = given.choice("createOption", _OPTIONS, required=True)
    if option == "Attach":
        return _attached(service, vm, given, "None")[0]
    if option == "FromImage":
        disk_source = from_image(service, storage.object("imageReference"), vm.hidden["region"], lun)
    elif option == "Copy":
        source = given.object("sourceResource")
        text = source.text("id", required=True) or ""
        disk_source = from_disk(service, text, vm.hidden["region"], source.path("id"))
    else:
        disk_source = DiskSource()
        if given.whole("diskSizeGB", 1, 65_536) is None:
            raise given.refuse("diskSizeGB", "Required parameter 'diskSizeGB' is missing (null) for an empty disk.")
    name = given.text("name") or f"{vm.name}_disk{lun + 2}_{uuid.uuid4().hex}"
    plain = DiskSource(disk_source.size_gb, content=disk_source.content, caching=disk_source.caching or "None")
    return {"createOption": option, **_made(service, vm, given, plain, name)}


def _made(service: Service, vm: Resource, given: Fields, disk_source: DiskSource, name: str) -> Body:
    """Creates a managed disk in the group of the virtual machine; returns it as the virtual machine shows it."""
    size_gb = given.whole("diskSizeGB", 1, 65_536) or disk_source.size_gb or LINUX_GB
    if size_gb < disk_source.size_gb:
        raise given.refuse("diskSizeGB", f"The size of {size_gb} GB is less than the image's {disk_source.size_gb} GB.")
    managed = given.object("managedDisk")
    sku = managed.choice("storageAccountType", SKUS[DISK]) or "Standard_LRS"
    identity = f"{vm.id.rsplit('/', 2)[0]}/disks/{name}"
    if service.store.get(identity) is not None:
        raise ArmError(409, "Conflict", f"The disk '{identity}' already exists.", given.path("name"))
    body: Body = {"id": identity, "name": name, "type": f"{COMPUTE}/disks", "location": vm.body["location"]}
    disk = Resource(identity, DISK, vm.parent, body, {"region": vm.hidden["region"]})
    new_disk(
        service, disk, disk_source, option="FromImage" if disk_source.size_gb else "Empty", size_gb=size_gb, sku=sku
    )
    disk.properties["provisioningState"] = SUCCEEDED
    _bind(service, disk, vm)
    return _shown(given, disk, disk_source.caching or "None")


def _attached(service: Service, vm: Resource, given: Fields, caching: str) -> tuple[Body, Resource]:
    managed = given.object("managedDisk")
    disk = linked(service, managed.text("id", required=True) or "", [DISK], managed.path("id"))
    same_region(disk, vm.hidden["region"], managed.path("id"))
    owner = disk.body.get("managedBy", "")
    if owner and owner.lower() != vm.key:
        raise ArmError(
            409, "AttachDiskWhileBeingDetached", f"The disk '{disk.id}' is attached to '{owner}'.", managed.path("id")
        )
    if disk.properties["diskState"] == "ReadyToUpload":
        raise managed.refuse("id", f"The disk '{disk.id}' waits for its upload.")
    _bind(service, disk, vm)
    return {"createOption": "Attach", **_shown(given, disk, caching)}, disk


def _bind(service: Service, disk: Resource, vm: Resource) -> None:
    disk.body["managedBy"] = vm.id
    disk.properties["diskState"] = "Attached"
    service.store.put(disk)


def _shown(given: Fields, disk: Resource, caching: str) -> Body:
    return {
        "name": disk.name,
        "caching": given.choice("caching", _CACHING) or caching,
        "managedDisk": {"id": disk.id, "storageAccountType": disk.body["sku"]["name"]},
        "diskSizeGB": disk.properties["diskSizeGB"],
        "deleteOption": given.choice("deleteOption", _DELETE_OPTIONS) or "Detach",
    }


def _profile(vm: Resource) -> Mapping[str, Any]:
    profile: Mapping[str, Any] = vm.properties.get("storageProfile", {})
    return profile


def disks_of_vm(vm: Resource) -> list[Body]:
    """The OS disk and then the data disks, as the virtual machine shows them."""
    profile = _profile(vm)
    return [profile["osDisk"], *profile.get("dataDisks", ())]


def set_state(service: Service, vm: Resource, state: str) -> None:
    """Sets the state of all disks: Attached while the virtual machine is allocated, else Reserved."""
    for shown in disks_of_vm(vm):
        disk = service.store.get(shown.get("managedDisk", {}).get("id", ""))
        if disk is not None:
            disk.properties["diskState"] = state
            service.store.put(disk)


def release_disks(service: Service, vm: Resource) -> None:
    """Deletes or detaches the disks of a deleted virtual machine, as their deleteOption says."""
    for shown in disks_of_vm(vm):
        _release(service, shown)


def _release(service: Service, shown: Mapping[str, Any]) -> None:
    disk = service.store.get(shown.get("managedDisk", {}).get("id", ""))
    if disk is None:
        return
    if shown.get("deleteOption") == "Delete":
        service.store.remove(disk.id)
        drop_content(service, disk)
        return
    disk.body.pop("managedBy", None)
    disk.properties["diskState"] = "Unattached"
    service.store.put(disk)
