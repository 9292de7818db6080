"""Managed images: created from disks or a virtual machine, and not changed afterwards."""

from __future__ import annotations

import pytest
from support.azure.emulated_service import COMPUTE, Emulated


def test_an_image_of_a_snapshot_and_a_disk(emulated: Emulated) -> None:
    os_disk = emulated.disk("os", size_gb=30, osType="Linux", hyperVGeneration="V2")
    snapshot = emulated.snapshot("os", os_disk)
    os_image = {"osType": "Linux", "osState": "Generalized", "snapshot": {"id": snapshot}}
    data = [{"lun": 4, "managedDisk": {"id": emulated.disk("data", size_gb=8)}, "caching": "ReadOnly"}]
    answer = emulated.put("images/base", {"storageProfile": {"osDisk": os_image, "dataDisks": data}})
    assert answer.status == 201
    shown = emulated.properties("images/base")
    assert shown["hyperVGeneration"] == "V2"
    assert shown["storageProfile"]["osDisk"]["diskSizeGB"] == 30
    assert shown["storageProfile"]["osDisk"]["snapshot"] == {"id": snapshot}
    assert [(disk["lun"], disk["diskSizeGB"], disk["caching"]) for disk in shown["storageProfile"]["dataDisks"]] == [
        (4, 8, "ReadOnly")
    ]


def test_the_first_generation_unless_something_is_said(emulated: Emulated) -> None:
    emulated.image("base", emulated.disk("os"))
    assert emulated.properties("images/base")["hyperVGeneration"] == "V1"


def test_an_image_of_a_generalized_vm(emulated: Emulated) -> None:
    data = [{"lun": 1, "createOption": "Empty", "diskSizeGB": 9}]
    vm = emulated.virtual_machine("builder", emulated.disk("os", size_gb=33, hyperVGeneration="V2"), dataDisks=data)
    wanted = {"sourceVirtualMachine": {"id": vm}}
    error = emulated.put_refused("images/base", wanted)
    assert (error.status, error.code) == (409, "OperationNotAllowed")
    emulated.send("POST", f"{vm}/deallocate")
    emulated.send("POST", f"{vm}/generalize")
    emulated.put("images/base", wanted)
    shown = emulated.properties("images/base")
    assert shown["sourceVirtualMachine"] == {"id": vm}
    assert (shown["hyperVGeneration"], shown["storageProfile"]["osDisk"]["diskSizeGB"]) == ("V2", 33)
    assert shown["storageProfile"]["osDisk"]["osState"] == "Generalized"
    assert [disk["diskSizeGB"] for disk in shown["storageProfile"]["dataDisks"]] == [9]


def test_what_contradicts_the_source_is_refused(emulated: Emulated) -> None:
    disk = emulated.disk("os", osType="Windows", hyperVGeneration="V2")
    os_disk = {"osType": "Linux", "osState": "Generalized", "managedDisk": {"id": disk}}
    error = emulated.put_refused("images/base", {"storageProfile": {"osDisk": os_disk}})
    assert error.target == "image.properties.storageProfile.osDisk.osType"
    profile = {"storageProfile": {"osDisk": {**os_disk, "osType": "Windows"}}, "hyperVGeneration": "V1"}
    assert emulated.put_refused("images/base", profile).target == "image.properties.hyperVGeneration"


@pytest.mark.parametrize("places", [(), ("managedDisk", "snapshot")])
def test_each_disk_has_one_source(emulated: Emulated, places: tuple[str, ...]) -> None:
    disk = emulated.disk("os")
    sources = {place: {"id": disk} for place in places}
    profile = {"storageProfile": {"osDisk": {"osType": "Linux", "osState": "Generalized", **sources}}}
    assert "exactly one of" in emulated.put_refused("images/base", profile).message


def test_an_image_keeps_its_disks_and_changes_its_tags(emulated: Emulated) -> None:
    image = emulated.image("base", emulated.disk("os"))
    emulated.send("PATCH", image, {"tags": {"a": "b"}})
    assert emulated.get(image)["tags"] == {"a": "b"}
    before = emulated.get(image)
    emulated.send("PUT", image, before)
    assert emulated.get(image) == before
    other = {"osType": "Linux", "osState": "Generalized", "managedDisk": {"id": emulated.disk("other")}}
    assert emulated.put_refused(image, {"storageProfile": {"osDisk": other}}).code == "PropertyChangeNotAllowed"
    assert emulated.put_refused(image, {"hyperVGeneration": "V2"}).code == "PropertyChangeNotAllowed"


def test_an_image_outlives_its_disk(emulated: Emulated) -> None:
    image = emulated.image("base", emulated.disk("os", size_gb=21, hyperVGeneration="V2"))
    emulated.get(image)
    emulated.send("DELETE", "disks/os")
    emulated.definition()
    assert emulated.version({"source": {"id": image}})["storageProfile"]["osDiskImage"]["sizeInGB"] == 21
    emulated.send("DELETE", image)
    assert emulated.refused("GET", f"{COMPUTE}/images/base").status == 404
