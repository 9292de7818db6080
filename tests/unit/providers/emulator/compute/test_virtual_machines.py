"""Virtual machines: their sources, their states, and their disks."""

from __future__ import annotations

from typing import Any

import pytest
from support.azure.emulated_service import COMPUTE, GROUP, SUBSCRIPTION, Emulated

MARKET = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server-gen2", "version": "latest"}
OS_PROFILE = {"computerName": "web", "adminUsername": "operator", "adminPassword": "s3cret-enough"}


def wanted(**storage: Any) -> dict[str, Any]:
    profile = {"imageReference": MARKET, "osDisk": {"createOption": "FromImage"}, **storage}
    return {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "storageProfile": profile,
        "osProfile": OS_PROFILE,
        "networkProfile": {"networkInterfaces": [{"id": f"{GROUP}/providers/Microsoft.Network/networkInterfaces/web"}]},
    }


def statuses(emulated: Emulated, name: str = "web") -> list[str]:
    view = emulated.properties(f"virtualMachines/{name}", expand="instanceView")["instanceView"]
    return [status["code"] for status in view["statuses"]]


def test_a_vm_from_the_marketplace_creates_its_disks(emulated: Emulated) -> None:
    data = [{"lun": 0, "createOption": "Empty", "diskSizeGB": 4}]
    answer = emulated.put("virtualMachines/web", wanted(dataDisks=data))
    assert answer.status == 201
    shown = emulated.properties("virtualMachines/web")
    assert "adminPassword" not in shown["osProfile"]
    assert "instanceView" not in shown
    disk = emulated.get(shown["storageProfile"]["osDisk"]["managedDisk"]["id"])
    assert disk["managedBy"].endswith("/virtualMachines/web")
    assert (disk["properties"]["diskState"], disk["properties"]["hyperVGeneration"]) == ("Attached", "V2")
    assert len(emulated.get("disks")["value"]) == 2
    assert statuses(emulated) == ["ProvisioningState/succeeded", "PowerState/running"]


def test_a_vm_is_stopped_generalized_and_never_started_again(emulated: Emulated) -> None:
    emulated.put("virtualMachines/web", wanted())
    running = emulated.refused("POST", "virtualMachines/web/generalize")
    assert (running.status, running.code) == (409, "OperationNotAllowed")
    assert emulated.send("POST", "virtualMachines/web/powerOff").status == 202
    assert "PowerState/stopped" in statuses(emulated)
    emulated.send("POST", "virtualMachines/web/start")
    assert "PowerState/running" in statuses(emulated)
    emulated.send("POST", "virtualMachines/web/deallocate")
    assert emulated.send("POST", "virtualMachines/web/generalize").status == 200
    assert statuses(emulated) == ["ProvisioningState/succeeded", "OSState/generalized", "PowerState/deallocated"]
    view = emulated.get("virtualMachines/web/instanceView")
    assert [status["code"] for status in view["statuses"]] == statuses(emulated)
    disk = emulated.get(emulated.properties("virtualMachines/web")["storageProfile"]["osDisk"]["managedDisk"]["id"])
    assert disk["properties"]["diskState"] == "Reserved"
    assert emulated.refused("POST", "virtualMachines/web/start").code == "OperationNotAllowed"


def test_disks_are_kept_or_deleted_with_the_vm_as_requested(emulated: Emulated) -> None:
    data = [{"lun": 0, "createOption": "Empty", "diskSizeGB": 4, "deleteOption": "Delete", "name": "scratch"}]
    emulated.put("virtualMachines/web", wanted(osDisk={"createOption": "FromImage", "name": "system"}, dataDisks=data))
    assert emulated.refused("DELETE", "disks/system").code == "OperationNotAllowed"
    emulated.send("DELETE", "virtualMachines/web")
    assert [disk["name"] for disk in emulated.get("disks")["value"]] == ["system"]
    assert "managedBy" not in emulated.get("disks/system")
    emulated.send("DELETE", "disks/system")
    assert emulated.get("disks")["value"] == []


def test_data_disks_come_and_go(emulated: Emulated) -> None:
    kept = {"lun": 0, "createOption": "Empty", "diskSizeGB": 4, "name": "kept"}
    attached = {"lun": 1, "createOption": "Attach", "managedDisk": {"id": emulated.disk("attached")}}
    emulated.put("virtualMachines/web", wanted(dataDisks=[kept, attached]))
    vm = emulated.get("virtualMachines/web")
    assert (
        emulated.send("PUT", "virtualMachines/web", vm).body["properties"]["storageProfile"]
        == (vm["properties"]["storageProfile"])
    )
    vm["properties"]["storageProfile"]["dataDisks"].pop()
    emulated.send("PUT", "virtualMachines/web", vm)
    assert [disk["name"] for disk in emulated.properties("virtualMachines/web")["storageProfile"]["dataDisks"]] == [
        "kept"
    ]
    assert emulated.properties("disks/attached")["diskState"] == "Unattached"


def test_a_disk_belongs_to_one_vm(emulated: Emulated) -> None:
    disk = emulated.disk("os")
    emulated.virtual_machine("one", disk)
    profile = {"osDisk": {"osType": "Linux", "createOption": "Attach", "managedDisk": {"id": disk}}}
    properties = {"hardwareProfile": {"vmSize": "Standard_D2s_v5"}, "storageProfile": profile}
    assert emulated.put_refused("virtualMachines/two", properties).status == 409
    assert emulated.get("disks/os")["managedBy"].endswith("/one")


def test_a_vm_from_the_latest_version_in_its_region(emulated: Emulated) -> None:
    definition = emulated.definition()
    reference = {"imageReference": {"id": definition}}
    assert "no latest version" in emulated.put_refused("virtualMachines/web", wanted(**reference)).message
    for name, size_gb in (("1.9.0", 11), ("1.10.0", 12), ("2.0.0", 13)):
        profile = {"osDiskImage": {"source": {"id": emulated.disk(f"os-{size_gb}", size_gb=size_gb)}}}
        emulated.version(profile, name)
    body = emulated.get(f"{definition}/versions/2.0.0")
    body["properties"]["publishingProfile"]["excludeFromLatest"] = True
    emulated.send("PUT", f"{definition}/versions/2.0.0", body)
    emulated.put("virtualMachines/web", wanted(**reference))
    assert emulated.properties("virtualMachines/web")["storageProfile"]["osDisk"]["diskSizeGB"] == 12
    error = emulated.put_refused("virtualMachines/west", wanted(**reference), location="westus")
    assert "no latest version in location 'westus'" in error.message
    exact = {"imageReference": {"id": f"{definition}/versions/2.0.0"}}
    error = emulated.put_refused("virtualMachines/west", wanted(**exact), location="westus")
    assert "not replicated" in error.message


def test_os_profiles_belong_to_generalized_images(emulated: Emulated) -> None:
    properties = wanted()
    del properties["osProfile"]
    assert emulated.put_refused("virtualMachines/web", properties).target == "virtualMachine.properties.osProfile"
    special = emulated.definition("special", osState="Specialized")
    emulated.version({"osDiskImage": {"source": {"id": emulated.disk("os")}}}, definition=special)
    error = emulated.put_refused("virtualMachines/web", wanted(imageReference={"id": special}))
    assert "not allowed with a specialized" in error.message


@pytest.mark.parametrize(
    ("storage", "target"),
    [
        ({"osDisk": {}}, "storageProfile.osDisk"),
        ({"osDisk": {"createOption": "Empty"}}, "storageProfile.osDisk.createOption"),
        ({"osDisk": {"createOption": "FromImage", "osType": "Windows"}}, "storageProfile.osDisk.osType"),
        ({"imageReference": None}, "storageProfile.imageReference"),
        ({"imageReference": {"id": "nonsense"}}, "storageProfile.imageReference.id"),
        ({"imageReference": {"publisher": "Canonical"}}, "storageProfile.imageReference.offer"),
        ({"dataDisks": [{"lun": 0, "createOption": "Empty"}]}, "storageProfile.dataDisks[0].diskSizeGB"),
        ({"dataDisks": [{"createOption": "Empty", "diskSizeGB": 1}]}, "storageProfile.dataDisks[0].lun"),
    ],
)
def test_a_refused_vm_leaves_nothing(emulated: Emulated, storage: dict[str, Any], target: str) -> None:
    error = emulated.put_refused("virtualMachines/web", wanted(**storage))
    assert (error.code, error.target) == ("InvalidParameter", f"virtualMachine.properties.{target}")
    assert emulated.get("disks")["value"] == []
    assert emulated.get("virtualMachines")["value"] == []


def test_a_network_interface_is_named_by_its_id(emulated: Emulated) -> None:
    properties = wanted()
    properties["networkProfile"] = {"networkInterfaces": [{"id": f"{COMPUTE}/disks/os"}]}
    assert "network interface" in emulated.put_refused("virtualMachines/web", properties).message


def test_the_sources_of_a_vm_do_not_change(emulated: Emulated) -> None:
    emulated.put("virtualMachines/web", wanted())
    for changed in (
        {"storageProfile": {"imageReference": {**MARKET, "sku": "other"}}},
        {"storageProfile": {"osDisk": {"name": "other"}}},
        {"osProfile": {"adminUsername": "other"}},
    ):
        error = emulated.refused("PATCH", "virtualMachines/web", {"properties": changed})
        assert error.code == "PropertyChangeNotAllowed"
    emulated.send("PATCH", "virtualMachines/web", {"properties": {"hardwareProfile": {"vmSize": "Standard_D4s_v5"}}})
    assert emulated.properties("virtualMachines/web")["hardwareProfile"] == {"vmSize": "Standard_D4s_v5"}


def test_lists_of_group_subscription_and_location(emulated: Emulated) -> None:
    emulated.put("virtualMachines/web", wanted())
    below = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute"
    for path in ("virtualMachines", f"{below}/virtualMachines", f"{below}/locations/eastus/virtualMachines"):
        assert [vm["name"] for vm in emulated.get(path)["value"]] == ["web"]
    assert emulated.get(f"{below}/locations/westus/virtualMachines")["value"] == []
