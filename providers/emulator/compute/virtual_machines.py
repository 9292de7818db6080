"""`Microsoft.Compute/virtualMachines`, as far as they are sources of images. Nothing runs in them.

Source: the Compute REST specification of virtual machines.
"""

from __future__ import annotations

import re
import uuid

from reconciler.providers.emulator.compute.disk_sources import DiskSource
from reconciler.providers.emulator.compute.virtual_machine_disks import (
    STORAGE_PROFILE,
    make_data_disks,
    make_os_disk,
    release_disks,
)
from reconciler.providers.emulator.compute.virtual_machine_states import (
    COLLECTION,
    RUNNING,
    end_of_operation,
    instance_view,
    vm_of,
)
from reconciler.providers.emulator.content.disk_kinds import plan_of
from reconciler.providers.emulator.core.arm import SUBSCRIPTION_COMPUTE, ArmAnswer, ArmError, ArmRequest, page
from reconciler.providers.emulator.core.body_fields import Fields
from reconciler.providers.emulator.core.ids import VIRTUAL_MACHINE, type_of
from reconciler.providers.emulator.core.json_schema import (
    ANY_OBJECT,
    ANYTHING,
    TEXT,
    list_of,
    object_of,
    texts,
    tracked_resource,
)
from reconciler.providers.emulator.core.locations import find
from reconciler.providers.emulator.core.resources import ResourceType, fixed
from reconciler.providers.emulator.core.service import Handlers, Route, Service
from reconciler.providers.emulator.core.simple_resources import SimpleResourceType
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.core.subscriptions import check_subscription

_NETWORK_INTERFACE = "microsoft.network/networkinterfaces"
_SECRETS = ("adminPassword", "customData")
_PLAN = ("name", "publisher", "product")
_KEPT = ("securityProfile", "diagnosticsProfile", "additionalCapabilities", "licenseType", "priority", "evictionPolicy")


def _make(service: Service, _request: ArmRequest, vm: Resource, fields: Fields) -> None:
    properties = fields.object("properties")
    storage = properties.object("storageProfile")
    size = properties.object("hardwareProfile").text("vmSize", required=True)
    vm.hidden |= {"power": RUNNING, "generalized": False}
    _check_network(properties)
    os_disk, disk_source = make_os_disk(service, vm, storage)
    _check_os_profile(properties, disk_source)
    _take_plan(vm, fields, disk_source)
    vm.hidden["generation"] = _generation(properties, disk_source)
    vm.properties.update(
        vmId=str(uuid.uuid4()),
        timeCreated=service.stamp(),
        hardwareProfile={"vmSize": size},
        storageProfile={"osDisk": os_disk, "dataDisks": []},
    )
    if storage.has("imageReference"):
        vm.properties["storageProfile"]["imageReference"] = dict(storage.object("imageReference").values)
    vm.properties["storageProfile"]["dataDisks"] = make_data_disks(service, vm, storage)
    _apply(vm, fields)


def _check_network(properties: Fields) -> None:
    for entry in properties.object("networkProfile").objects("networkInterfaces"):
        text = entry.text("id", required=True) or ""
        if type_of(text) != _NETWORK_INTERFACE:
            raise entry.refuse("id", f"The value '{text}' is not the id of a network interface.")


def _check_os_profile(properties: Fields, disk_source: DiskSource) -> None:
    """Raises: ArmError unless a generalized image has an osProfile, and a specialized image or attached disk none."""
    given = properties.has("osProfile")
    if disk_source.os_state == "Generalized" and not given:
        raise properties.refuse("osProfile", "Required parameter 'osProfile' is missing (null).")
    if disk_source.os_state == "Specialized" and given:
        raise properties.refuse("osProfile", "Parameter 'osProfile' is not allowed with a specialized OS disk.")
    if given:
        profile = properties.object("osProfile")
        profile.text("computerName", required=True)
        profile.text("adminUsername", required=True)


def _take_plan(vm: Resource, fields: Fields, disk_source: DiskSource) -> None:
    plan = fields.object("plan")
    if plan.values:
        vm.body["plan"] = {name: plan.text(name, required=True) for name in _PLAN}
    if disk_source.plan and plan_of(vm.body.get("plan")) != disk_source.plan:
        raise ArmError(
            400,
            "VMMarketplaceInvalidInput",
            "Creating a virtual machine from a marketplace image needs its plan: "
            f"{'/'.join(disk_source.plan.values())}.",
            "plan",
        )


def _generation(properties: Fields, disk_source: DiskSource) -> str | None:
    """The generation of the image or disk, or else that which the security type requires; None if neither is known."""
    trusted = properties.object("securityProfile").text("securityType") in ("TrustedLaunch", "ConfidentialVM")
    return disk_source.generation or ("V2" if trusted else None)


def _apply(vm: Resource, fields: Fields) -> None:
    """Applies what can be changed at any time."""
    properties, stored = fields.object("properties"), vm.properties
    if size := properties.object("hardwareProfile").text("vmSize"):
        stored["hardwareProfile"] = {"vmSize": size}
    for name in _KEPT:
        if properties.has(name):
            stored[name] = properties.get(name)
    if properties.has("networkProfile"):
        stored["networkProfile"] = dict(properties.object("networkProfile").values)
    if properties.has("osProfile"):
        given = properties.object("osProfile").values
        stored["osProfile"] = {name: value for name, value in given.items() if name not in _SECRETS}
    if zones := fields.texts("zones"):
        vm.body["zones"] = zones
    if fields.has("identity"):
        vm.body["identity"] = dict(fields.object("identity").values)


def _change(service: Service, vm: Resource, fields: Fields, _replaced: bool) -> None:
    properties = fields.object("properties")
    storage, stored = properties.object("storageProfile"), vm.properties["storageProfile"]
    _check_network(properties)
    reference, before = storage.object("imageReference"), stored.get("imageReference", {})
    for name in reference.values:
        fixed(reference, name, before.get(name, ""), reference.text(name) or None)
    os_disk = storage.object("osDisk")
    for name in ("osType", "createOption", "name"):
        fixed(os_disk, name, stored["osDisk"].get(name, ""), os_disk.text(name) or None)
    managed, disk = os_disk.object("managedDisk"), stored["osDisk"].get("managedDisk", {})
    fixed(managed, "id", disk.get("id", ""), managed.text("id") or None)
    profile = properties.object("osProfile")
    for name in ("computerName", "adminUsername"):
        known = vm.properties.get("osProfile", {}).get(name, "")
        fixed(profile, name, known, profile.text(name) or None)
    plan = fields.object("plan")
    for name in _PLAN:
        fixed(plan, name, vm.body.get("plan", {}).get(name, ""), plan.text(name) or None)
    if storage.has("dataDisks"):
        stored["dataDisks"] = make_data_disks(service, vm, storage)
    _apply(vm, fields)


def _get(service: Service, request: ArmRequest) -> ArmAnswer:
    vm = vm_of(service, request)
    expand = request.query.get("$expand", "").lower()
    if expand not in ("", "instanceview", "userdata"):
        raise ArmError(400, "InvalidParameter", f"The value '{expand}' of $expand is not instanceView.", "$expand")
    body = dict(vm.body)
    if expand == "instanceview":
        body["properties"] = {**vm.properties, "instanceView": instance_view(service, vm)}
    return ArmAnswer(200, body)


def _list_in_location(service: Service, request: ArmRequest) -> ArmAnswer:
    check_subscription(service, request.path)
    location = find(request.params["location"])
    shown = [
        vm.body
        for vm in service.store.of_type(VIRTUAL_MACHINE)
        if location is not None and vm.hidden["region"] == location.name
    ]
    return ArmAnswer(200, page(request, shown, service.page_size))


_BODY = tracked_resource(
    zones=list_of(TEXT),
    identity=ANY_OBJECT,
    plan=object_of(**texts(*_PLAN)),
    properties=object_of(
        hardwareProfile=object_of(vmSize=TEXT),
        storageProfile=STORAGE_PROFILE,
        osProfile=object_of(**texts("computerName", "adminUsername")),
        networkProfile=object_of(networkInterfaces=list_of(object_of(id=TEXT))),
        **{**dict.fromkeys(_KEPT, ANYTHING), "securityProfile": object_of(securityType=TEXT)},
    ),
)

VIRTUAL_MACHINES = SimpleResourceType(
    ResourceType(
        VIRTUAL_MACHINE,
        "virtualMachine",
        re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"),
        "letters, digits, '.', '_' and '-', 1 to 64 of them, beginning and ending with a letter or digit.",
    ),
    COLLECTION,
    _BODY,
    _make,
    _change,
    seconds=30.0,
    after_delete=release_disks,
    end=end_of_operation,
    get=_get,
)
HANDLERS = VIRTUAL_MACHINES.handlers() + Handlers(
    (
        Route(
            "GET",
            f"{SUBSCRIPTION_COMPUTE}/locations/{{location}}/virtualMachines",
            _list_in_location,
            "list virtualMachines in location",
        ),
    )
)
