"""Disks and snapshots: created, copied, changed, listed, deleted."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from support.azure.emulated_service import COMPUTE, SUBSCRIPTION, Emulated


def test_a_disk_is_made_of_what_was_sent(emulated: Emulated) -> None:
    properties = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 10, "osType": "linux"}
    answer = emulated.put("disks/one", properties, sku={"name": "premium_lrs"}, tags={"a": "b"})
    assert answer.status == 202
    assert "Azure-AsyncOperation" in answer.headers
    assert answer.body["properties"]["provisioningState"] == "Creating"
    disk = emulated.get("disks/one")
    assert disk["sku"] == {"name": "Premium_LRS", "tier": "Premium"}
    assert disk["tags"] == {"a": "b"}
    shown = disk["properties"]
    assert (shown["osType"], shown["diskSizeGB"], shown["diskSizeBytes"]) == ("Linux", 10, 10 << 30)
    assert (shown["diskState"], shown["provisioningState"]) == ("Unattached", "Succeeded")
    assert "hyperVGeneration" not in shown


def test_a_copy_takes_size_system_and_generation(emulated: Emulated) -> None:
    disk = emulated.disk("one", size_gb=20, osType="Windows", hyperVGeneration="V2")
    snapshot = emulated.snapshot("copy", disk)
    shown = emulated.properties("snapshots/copy")
    assert (shown["osType"], shown["hyperVGeneration"], shown["diskSizeGB"]) == ("Windows", "V2", 20)
    larger = {"creationData": {"createOption": "Copy", "sourceResourceId": snapshot}, "diskSizeGB": 30}
    emulated.put("disks/larger", larger)
    assert emulated.properties("disks/larger")["diskSizeGB"] == 30
    error = emulated.put_refused("disks/smaller", {**larger, "diskSizeGB": 5})
    assert error.target == "disk.properties.diskSizeGB"


def test_a_copy_stays_in_its_region_but_for_snapshots_that_say_so(emulated: Emulated) -> None:
    disk = emulated.disk("one", location="westus")
    properties = {"creationData": {"createOption": "Copy", "sourceResourceId": disk}}
    assert "in location 'westus'" in emulated.put_refused("snapshots/copy", properties).message
    properties["creationData"]["createOption"] = "CopyStart"
    emulated.put("snapshots/copy", properties)
    assert emulated.get("snapshots/copy")["location"] == "eastus"
    assert emulated.put_refused("disks/copy", properties).code == "InvalidParameter"


def test_a_disk_of_a_published_version(emulated: Emulated) -> None:
    definition = emulated.definition()
    data = [{"lun": 2, "source": {"id": emulated.disk("data", size_gb=7)}}]
    profile = {"osDiskImage": {"source": {"id": emulated.disk("os", size_gb=12)}}, "dataDiskImages": data}
    emulated.version(profile)
    for reference, size_gb in (({"id": f"{definition}/versions/1.0.0"}, 12), ({"id": definition, "lun": 2}, 7)):
        creation = {"createOption": "FromImage", "galleryImageReference": reference}
        emulated.put(f"disks/of-{size_gb}", {"creationData": creation})
        assert emulated.properties(f"disks/of-{size_gb}")["diskSizeGB"] == size_gb
    assert emulated.properties("disks/of-12")["hyperVGeneration"] == "V2"
    creation = {"createOption": "FromImage", "galleryImageReference": {"id": definition, "lun": 0}}
    assert "no data disk with lun 0" in emulated.put_refused("disks/none", {"creationData": creation}).message


@pytest.mark.parametrize(
    ("properties", "target"),
    [
        ({}, "disk.properties.creationData.createOption"),
        ({"creationData": {"createOption": "Magic"}}, "disk.properties.creationData.createOption"),
        ({"creationData": {"createOption": "Empty"}}, "disk.properties.diskSizeGB"),
        ({"creationData": {"createOption": "Empty"}, "diskSizeGB": 0}, "disk.properties.diskSizeGB"),
        ({"creationData": {"createOption": "Copy"}}, "disk.properties.creationData.sourceResourceId"),
        ({"creationData": {"createOption": "Import"}}, "disk.properties.creationData.sourceUri"),
        ({"creationData": {"createOption": "Upload"}}, "disk.properties.creationData.uploadSizeBytes"),
        (
            {
                "creationData": {"createOption": "Empty"},
                "diskSizeGB": 1,
                "encryption": {"type": "EncryptionAtRestWithCustomerKey"},
            },
            "disk.properties.encryption.diskEncryptionSetId",
        ),
    ],
)
def test_a_disk_that_cannot_be(emulated: Emulated, properties: dict[str, Any], target: str) -> None:
    error = emulated.put_refused("disks/one", properties)
    assert (error.code, error.target) == ("InvalidParameter", target)
    assert emulated.refused("GET", "disks/one").status == 404


@pytest.mark.parametrize("name", ["-a", "a" * 81, "a b", "é"])
def test_a_name_that_cannot_be(emulated: Emulated, name: str) -> None:
    properties = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 1}
    assert emulated.put_refused(f"disks/{name}", properties).code == "InvalidResourceName"


def test_a_group_is_needed(emulated: Emulated) -> None:
    path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/none/providers/Microsoft.Compute/disks/one"
    properties = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 1}
    assert emulated.put_refused(path, properties).code == "ResourceGroupNotFound"


def test_a_disk_grows_and_changes_its_tags_but_not_its_origin(emulated: Emulated) -> None:
    emulated.disk("one", size_gb=10)
    emulated.send("PATCH", "disks/one", {"properties": {"diskSizeGB": 12}, "sku": {"name": "Standard_LRS"}})
    assert emulated.properties("disks/one")["diskSizeGB"] == 12
    emulated.send("PATCH", "disks/one", {"tags": {"a": "b"}})
    disk = emulated.get("disks/one")
    assert (disk["tags"], disk["properties"]["diskSizeGB"]) == ({"a": "b"}, 12)
    shrink = emulated.refused("PATCH", "disks/one", {"properties": {"diskSizeGB": 11}})
    assert (shrink.status, shrink.code) == (409, "OperationNotAllowed")
    other = {"creationData": {"createOption": "Copy", "sourceResourceId": f"{COMPUTE}/disks/two"}}
    assert emulated.put_refused("disks/one", other).code == "PropertyChangeNotAllowed"
    elsewhere = emulated.put_refused("disks/one", {"creationData": {"createOption": "Empty"}}, location="westus")
    assert elsewhere.code == "InvalidResourceLocation"


def test_lists_in_group_and_subscription_have_pages(emulated: Emulated) -> None:
    emulated.service.page_size = 2
    for name in "abc":
        emulated.disk(name)
    first = emulated.get("disks")
    assert [disk["name"] for disk in first["value"]] == ["a", "b"]
    rest = dict(parse_qsl(urlsplit(first["nextLink"]).query))
    everywhere = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/disks"
    assert [disk["name"] for disk in emulated.get(everywhere, **rest)["value"]] == ["c"]


def test_a_deleted_disk_is_gone_and_deleting_it_again_is_fine(emulated: Emulated) -> None:
    emulated.disk("one")
    answer = emulated.send("DELETE", "disks/one")
    assert answer.status == 202
    assert "Location" in answer.headers
    assert emulated.refused("GET", "disks/one").code == "ResourceNotFound"
    assert emulated.send("DELETE", "disks/one").status == 204


def test_an_operation_takes_its_time(emulated: Emulated) -> None:
    emulated.service.durations = type(emulated.service.durations)(1.0)
    answer = emulated.put("disks/one", {"creationData": {"createOption": "Empty"}, "diskSizeGB": 1})
    assert answer.headers["Retry-After"] == "2"
    assert emulated.properties("disks/one")["provisioningState"] == "Creating"
    assert emulated.put_refused("disks/one").code == "Conflict"
    emulated.clock.advance(2)
    assert emulated.properties("disks/one")["provisioningState"] == "Succeeded"
