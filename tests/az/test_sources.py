"""The sources of images, created with `az`: disks, snapshots, managed images, virtual machines."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
from azure.storage.blob import ContainerClient
from support.azure.az_command import Az, AzFailed
from support.azure.azurite import RunningAzurite

from reconciler.providers.azure.images.vhd import footer


def test_groups_come_and_go(az: Az) -> None:
    name = f"group-{uuid.uuid4().hex[:8]}"
    assert az("group", "exists", "-n", name) is False
    made = az("group", "create", "-n", name, "-l", "West US 3", "--tags", "a=b")
    assert (made["location"], made["tags"]) == ("westus3", {"a": "b"})
    assert name in [one["name"] for one in az("group", "list")]
    az("disk", "create", "-g", name, "-n", "data", "--size-gb", "4")
    assert [one["type"] for one in az("resource", "list", "-g", name)] == ["Microsoft.Compute/disks"]
    az("group", "delete", "-n", name, "--yes")
    assert az("group", "exists", "-n", name) is False
    with pytest.raises(AzFailed, match="ResourceGroupNotFound"):
        az("disk", "list", "-g", name)


def test_disks_and_snapshots(az: Az, group: str) -> None:
    words = ("--size-gb", "16", "--os-type", "Linux", "--hyper-v-generation", "V2", "--sku", "Premium_LRS")
    disk = az("disk", "create", "-g", group, "-n", "os", *words)
    assert (disk["diskSizeGB"], disk["sku"]["name"], disk["diskState"]) == (16, "Premium_LRS", "Unattached")
    snapshot = az("snapshot", "create", "-g", group, "-n", "os", "--source", "os")
    assert (snapshot["diskSizeGB"], snapshot["hyperVGeneration"]) == (16, "V2")
    assert snapshot["creationData"]["sourceResourceId"] == disk["id"]
    copy = az("disk", "create", "-g", group, "-n", "copy", "--source", snapshot["id"], "--size-gb", "20")
    assert (copy["diskSizeGB"], copy["osType"]) == (20, "Linux")
    assert az("disk", "update", "-g", group, "-n", "copy", "--size-gb", "32")["diskSizeGB"] == 32
    assert sorted(one["name"] for one in az("disk", "list", "-g", group)) == ["copy", "os"]
    assert [one["name"] for one in az("snapshot", "list", "-g", group)] == ["os"]
    with pytest.raises(AzFailed, match="cannot be made smaller"):
        az("disk", "update", "-g", group, "-n", "copy", "--size-gb", "8")
    az("snapshot", "delete", "-g", group, "-n", "os")
    az("disk", "delete", "-g", group, "-n", "copy", "--yes")
    assert [one["name"] for one in az("disk", "list", "-g", group)] == ["os"]


def test_a_vm_is_captured_as_an_image_and_published(az: Az, group: str, gallery: str) -> None:
    vm = make_vm(az, group)
    assert [one["name"] for one in az("vm", "list", "-g", group)] == ["builder"]
    with pytest.raises(AzFailed, match="is running"):
        az("vm", "generalize", "-g", group, "-n", "builder")
    az("vm", "deallocate", "-g", group, "-n", "builder")
    az("vm", "generalize", "-g", group, "-n", "builder")
    view = az("vm", "get-instance-view", "-g", group, "-n", "builder")["instanceView"]
    assert {"PowerState/deallocated", "OSState/generalized"} <= {status["code"] for status in view["statuses"]}

    image = az("image", "create", "-g", group, "-n", "base", "--source", "builder", "--hyper-v-generation", "V2")
    assert image["sourceVirtualMachine"]["id"] == vm
    assert image["storageProfile"]["osDisk"]["osState"] == "Generalized"
    assert [one["name"] for one in az("image", "list", "-g", group)] == ["base"]

    az("sig", "create", "-g", group, "-r", gallery)
    definition = ("-g", group, "-r", gallery, "-i", "ubuntu")
    words = ("--publisher", "Contoso", "--offer", "Ubuntu", "--sku", "24.04", "--os-type", "Linux")
    az("sig", "image-definition", "create", *definition, *words)
    az("sig", "image-version", "create", *definition, "-e", "1.0.0", "--managed-image", "base")
    made = az("sig", "image-version", "create", *definition, "-e", "1.0.1", "--virtual-machine", vm)
    assert made["storageProfile"]["source"]["virtualMachineId"] == vm

    az("vm", "delete", "-g", group, "-n", "builder", "--yes")
    az("image", "delete", "-g", group, "-n", "base")
    assert az("vm", "list", "-g", group) == []


def make_vm(az: Az, group: str) -> str:
    """The id of a virtual machine, created as in scripts without a network."""
    market = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server-gen2", "version": "latest"}
    properties = {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "storageProfile": {"imageReference": market, "osDisk": {"createOption": "FromImage"}},
        "osProfile": {"computerName": "builder", "adminUsername": "operator", "adminPassword": "Secret-enough-1"},
    }
    made = az(
        "resource", "create", "-g", group, "-n", "builder", "--resource-type", "Microsoft.Compute/virtualMachines",
        "--api-version", "2024-07-01", "--is-full-object",
        "--properties", json.dumps({"location": "eastus", "properties": properties}),
    )  # fmt: skip
    return str(made["id"])


@pytest.fixture
def container(azurite: RunningAzurite) -> Iterator[ContainerClient]:
    with azurite.client() as client, client.create_container(f"vhds-{uuid.uuid4().hex[:8]}") as container:
        yield container


def test_a_vhd_is_published(az: Az, group: str, gallery: str, container: ContainerClient) -> None:
    size = 8 << 20
    with container.get_blob_client("os.vhd") as blob:
        blob.create_page_blob(size + 512)
        blob.upload_page(footer(size, "00" * 32), size, 512)
    az("sig", "create", "-g", group, "-r", gallery)
    definition = ("-g", group, "-r", gallery, "-i", "ubuntu")
    words = ("--publisher", "Contoso", "--offer", "Ubuntu", "--sku", "24.04", "--os-type", "Linux")
    az("sig", "image-definition", "create", *definition, *words)
    blob_words = ("--os-vhd-uri", str(blob.url), "--os-vhd-storage-account", "devstoreaccount1")
    made = az("sig", "image-version", "create", *definition, "-e", "1.0.0", *blob_words)
    assert made["storageProfile"]["osDiskImage"]["sizeInGB"] == 1
    assert made["storageProfile"]["osDiskImage"]["source"]["uri"] == blob.url
