"""The sources of image versions, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest
from support.azure.emulated_service import COMPUTE, GROUP, Emulated, version_properties

TARGET = "galleryImageVersion.properties.storageProfile"
CUSTOMER_KEYS = "/providers/Microsoft.Compute/diskEncryptionSets/keys"


@pytest.fixture(autouse=True)
def definition(emulated: Emulated) -> str:
    return emulated.definition()


def disk_source(disk: str) -> dict[str, Any]:
    return {"osDiskImage": {"source": {"id": disk}}}


def test_a_snapshot_gives_size_and_default_caching(emulated: Emulated) -> None:
    snapshot = emulated.snapshot("os", emulated.disk("os", size_gb=40, osType="Linux"))
    storage = emulated.version(disk_source(snapshot))["storageProfile"]
    assert storage["osDiskImage"] == {"sizeInGB": 40, "hostCaching": "ReadWrite", "source": {"id": snapshot}}


def test_disks_one_by_one_with_luns_and_caching(emulated: Emulated) -> None:
    os_disk, first, second = (
        emulated.disk("os"),
        emulated.disk("first", size_gb=20),
        emulated.disk("second", size_gb=30),
    )
    data = [
        {"lun": 3, "source": {"id": second}, "hostCaching": "none"},
        {"lun": 0, "source": {"id": first}},
    ]
    storage = emulated.version({**disk_source(os_disk), "dataDiskImages": data})["storageProfile"]
    assert storage["dataDiskImages"] == [
        {"lun": 0, "sizeInGB": 20, "hostCaching": "ReadOnly", "source": {"id": first}},
        {"lun": 3, "sizeInGB": 30, "hostCaching": "None", "source": {"id": second}},
    ]


def test_a_managed_image_brings_all_its_disks(emulated: Emulated) -> None:
    image = emulated.image(
        "base", emulated.disk("os", size_gb=40, hyperVGeneration="V2"), emulated.disk("data", size_gb=5)
    )
    storage = emulated.version({"source": {"id": image}})["storageProfile"]
    assert storage["osDiskImage"]["sizeInGB"] == 40
    assert [(disk["lun"], disk["sizeInGB"]) for disk in storage["dataDiskImages"]] == [(0, 5)]


def test_the_caching_of_an_images_disks_can_be_chosen(emulated: Emulated) -> None:
    image = emulated.image("base", emulated.disk("os", hyperVGeneration="V2"), emulated.disk("data"))
    profile = {
        "source": {"id": image},
        "osDiskImage": {"hostCaching": "ReadOnly"},
        "dataDiskImages": [{"lun": 0, "hostCaching": "ReadWrite"}],
    }
    storage = emulated.version(profile)["storageProfile"]
    assert storage["osDiskImage"]["hostCaching"] == "ReadOnly"
    assert storage["dataDiskImages"][0]["hostCaching"] == "ReadWrite"
    profile["dataDiskImages"] = [{"lun": 1, "hostCaching": "None"}]
    assert emulated.version_refused(profile).target == f"{TARGET}.dataDiskImages[0].lun"


@pytest.mark.parametrize("member", ["id", "virtualMachineId"])
def test_a_generalized_vm_brings_its_disks(emulated: Emulated, member: str) -> None:
    vm = generalized(
        emulated, emulated.virtual_machine("builder", emulated.disk("os", size_gb=64, hyperVGeneration="V2"))
    )
    storage = emulated.version({"source": {member: vm}})["storageProfile"]
    assert storage["osDiskImage"]["sizeInGB"] == 64


def generalized(emulated: Emulated, vm: str) -> str:
    emulated.send("POST", f"{vm}/deallocate")
    emulated.send("POST", f"{vm}/generalize")
    return vm


def test_a_vm_has_to_be_in_the_state_of_the_definition(emulated: Emulated) -> None:
    vm = emulated.virtual_machine("builder", emulated.disk("os", hyperVGeneration="V2"))
    error = emulated.version_refused({"source": {"virtualMachineId": vm}})
    assert "OS state 'Specialized'" in error.message
    assert error.target == f"{TARGET}.source.virtualMachineId"
    special = emulated.definition("special", osState="Specialized")
    assert emulated.version({"source": {"virtualMachineId": vm}}, definition=special)["storageProfile"]
    generalized(emulated, vm)
    assert "Generalized" in emulated.version_refused({"source": {"virtualMachineId": vm}}, special).message


def test_another_version_is_a_source_where_it_is_replicated(emulated: Emulated) -> None:
    emulated.version(disk_source(emulated.disk("os", size_gb=25)))
    first = f"{COMPUTE}/galleries/corp/images/ubuntu/versions/1.0.0"
    other = emulated.definition("copy")
    assert (
        emulated.version({"source": {"id": first}}, definition=other)["storageProfile"]["osDiskImage"]["sizeInGB"] == 25
    )
    elsewhere = version_properties({"source": {"id": first}})
    elsewhere["publishingProfile"]["targetRegions"] = [{"name": "westus"}]
    error = emulated.put_refused(f"{other}/versions/1.0.1", elsewhere, location="westus")
    assert "not replicated to location 'westus'" in error.message


def test_a_version_that_is_not_done_is_no_source(emulated: Emulated) -> None:
    emulated.send("PUT", "galleries/corp", {"location": "eastus"})
    first = f"{COMPUTE}/galleries/corp/images/ubuntu/versions/1.0.0"
    emulated.disk("os")
    emulated.get("disks/os")
    emulated.service.durations = type(emulated.service.durations)(1.0)
    emulated.put(first, version_properties(disk_source(f"{COMPUTE}/disks/os")))
    assert "its provisioning state is Creating" in emulated.version_refused({"source": {"id": first}}).message


def test_a_community_image_is_found_by_its_public_name(emulated: Emulated) -> None:
    info = {"publisherUri": "https://contoso.example", "publisherContact": "a@contoso.example", "eula": "x"}
    sharing = {"permissions": "Community", "communityGalleryInfo": {**info, "publicNamePrefix": "contoso"}}
    emulated.put("galleries/open", {"sharingProfile": sharing})
    community = emulated.definition("open", gallery="open")
    emulated.version(disk_source(emulated.disk("os", size_gb=12)), definition=community)
    (name,) = emulated.properties("galleries/open")["sharingProfile"]["communityGalleryInfo"]["publicNames"]
    source = {"source": {"communityGalleryImageId": f"/CommunityGalleries/{name}/Images/open/Versions/1.0.0"}}
    assert emulated.version_refused(source).status == 404
    emulated.send("POST", "galleries/open/share", {"operationType": "EnableCommunity"})
    assert emulated.version(source)["storageProfile"]["osDiskImage"]["sizeInGB"] == 12


def test_one_style_of_source_and_not_two(emulated: Emulated) -> None:
    disk = emulated.disk("os", hyperVGeneration="V2")
    whole = {"source": {"id": emulated.image("base", disk)}}
    error = emulated.version_refused({**whole, **disk_source(disk)})
    assert "exclude each other" in error.message
    assert error.code == "InvalidParameter"
    two = {"source": {"id": whole["source"]["id"], "communityGalleryImageId": "/CommunityGalleries/a/Images/b"}}
    assert emulated.version_refused(two).target == f"{TARGET}.source"


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"source": {}},
        {"osDiskImage": {"hostCaching": "None"}},
        {"dataDiskImages": [{"lun": 0, "source": {"id": f"{COMPUTE}/disks/os"}}]},
    ],
)
def test_a_version_without_a_source_for_its_system_is_refused(emulated: Emulated, profile: dict[str, Any]) -> None:
    emulated.disk("os")
    assert "A source is missing" in emulated.version_refused(profile).message


@pytest.mark.parametrize(
    ("profile", "target"),
    [
        ({"source": {"id": "nonsense"}}, "source.id"),
        ({"source": {"id": f"{COMPUTE}/disks/os"}}, "source.id"),
        ({"source": {"virtualMachineId": f"{COMPUTE}/images/base"}}, "source.virtualMachineId"),
        ({"osDiskImage": {"source": {"id": f"{COMPUTE}/images/base"}}}, "osDiskImage.source.id"),
        ({"osDiskImage": {"source": {"id": f"{COMPUTE}/disks"}}}, "osDiskImage.source.id"),
        ({"source": {"communityGalleryImageId": f"{COMPUTE}/images/base"}}, "source.communityGalleryImageId"),
    ],
)
def test_each_place_takes_its_own_kinds(emulated: Emulated, profile: dict[str, Any], target: str) -> None:
    error = emulated.version_refused(profile)
    assert (error.status, error.code, error.target) == (400, "InvalidParameter", f"{TARGET}.{target}")


@pytest.mark.parametrize("kind", ["images", "virtualMachines", "galleries/corp/images/none/versions"])
def test_a_missing_source_is_not_found_by_its_id(emulated: Emulated, kind: str) -> None:
    missing = f"{COMPUTE}/{kind}/1.2.3"
    error = emulated.version_refused({"source": {"id": missing}})
    assert (error.status, error.code) == (404, "NotFound")
    assert missing in error.message


def test_a_source_in_a_foreign_subscription_may_not_be_used(emulated: Emulated) -> None:
    foreign = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/g"
    error = emulated.version_refused(disk_source(f"{foreign}/providers/Microsoft.Compute/disks/d"))
    assert (error.status, error.code) == (403, "LinkedAuthorizationFailed")


def test_sources_lie_in_the_home_region(emulated: Emulated) -> None:
    error = emulated.version_refused(disk_source(emulated.disk("os", location="westus")))
    assert "in location 'westus'" in error.message
    assert error.target == f"{TARGET}.osDiskImage.source.id"


@pytest.mark.parametrize(
    ("said", "what"),
    [({"osType": "Windows"}, "OS type 'Windows'"), ({"hyperVGeneration": "V1"}, "Hyper-V generation 'V1'")],
)
def test_what_a_disk_says_has_to_be_what_the_definition_says(
    emulated: Emulated, said: dict[str, Any], what: str
) -> None:
    assert what in emulated.version_refused(disk_source(emulated.disk("os", **said))).message
    data = [{"lun": 0, "source": {"id": f"{COMPUTE}/disks/os"}}]
    assert emulated.version({**disk_source(emulated.disk("silent")), "dataDiskImages": data})


@pytest.mark.parametrize(
    ("said", "what"),
    [({"osType": "Windows"}, "OS type"), ({"osState": "Specialized"}, "OS state"), ({}, "Hyper-V generation 'V1'")],
)
def test_what_an_image_says_has_to_be_what_the_definition_says(
    emulated: Emulated, said: dict[str, Any], what: str
) -> None:
    generation: dict[str, Any] = {"hyperVGeneration": "V2"} if said else {}
    disk = emulated.disk("os", **generation)
    assert what in emulated.version_refused({"source": {"id": emulated.image("base", disk, **said)}}).message


PLAN = {"name": "pro", "publisher": "Contoso", "product": "servers"}


def test_the_plan_of_a_vm_is_that_of_the_definition(emulated: Emulated) -> None:
    disk = emulated.disk("os", hyperVGeneration="V2", purchasePlan=PLAN)
    profile = disk_source(disk)
    assert "marketplace plan" in emulated.version_refused(profile).message
    planned = emulated.definition("planned", purchasePlan={**PLAN, "publisher": "CONTOSO"})
    assert emulated.version(profile, definition=planned)
    vm = generalized(emulated, emulated.virtual_machine("builder", emulated.disk("plain", hyperVGeneration="V2")))
    error = emulated.version_refused({"source": {"virtualMachineId": vm}}, planned)
    assert "none, is not the purchase plan" in error.message


def test_distinct_sources_and_luns(emulated: Emulated) -> None:
    os_disk, data = emulated.disk("os"), emulated.disk("data")
    same = {**disk_source(os_disk), "dataDiskImages": [{"lun": 0, "source": {"id": os_disk.upper()}}]}
    assert "more than one disk" in emulated.version_refused(same).message
    twice = [{"lun": 1, "source": {"id": data}}, {"lun": 1, "source": {"id": emulated.disk("more")}}]
    error = emulated.version_refused({**disk_source(os_disk), "dataDiskImages": twice})
    assert error.target == f"{TARGET}.dataDiskImages[1].lun"
    without = [{"source": {"id": data}}]
    assert "lun" in emulated.version_refused({**disk_source(os_disk), "dataDiskImages": without}).target


def test_a_disk_of_two_terabytes_needs_shallow_replication(emulated: Emulated) -> None:
    profile = disk_source(emulated.disk("os", size_gb=2049))
    assert "2048 GB" in emulated.version_refused(profile).message
    emulated.put("galleries/corp/images/ubuntu/versions/1.0.0", version_properties(profile, replicationMode="Shallow"))
    huge = disk_source(emulated.disk("huge", size_gb=32 * 1024 + 1))
    assert "32768 GB" in emulated.version_refused(huge, replicationMode="Shallow").message


def test_ultra_disks_and_those_that_wait_for_their_upload_are_no_sources(emulated: Emulated) -> None:
    creation = {"createOption": "Empty"}
    emulated.put("disks/ultra", {"creationData": creation, "diskSizeGB": 8}, sku={"name": "UltraSSD_LRS"})
    assert "Ultra disk" in emulated.version_refused(disk_source(f"{COMPUTE}/disks/ultra")).message
    upload = {"createOption": "Upload", "uploadSizeBytes": (20 << 20) + 512}
    emulated.put("disks/upload", {"creationData": upload})
    assert "waits for its upload" in emulated.version_refused(disk_source(f"{COMPUTE}/disks/upload")).message


def test_vms_with_ephemeral_ultra_or_unmanaged_disks_are_not_sources(emulated: Emulated) -> None:
    special = emulated.definition("special", osState="Specialized")
    creation = {"createOption": "Empty"}
    emulated.put("disks/ultra", {"creationData": creation, "diskSizeGB": 8}, sku={"name": "UltraSSD_LRS"})
    data = [{"lun": 0, "createOption": "Attach", "managedDisk": {"id": f"{COMPUTE}/disks/ultra"}}]
    vm = emulated.virtual_machine("fast", emulated.disk("os", hyperVGeneration="V2"), dataDisks=data)
    assert "Ultra disk" in emulated.version_refused({"source": {"virtualMachineId": vm}}, special).message

    unmanaged = {"osType": "Linux", "createOption": "Attach", "vhd": {"uri": "https://a.example/vhds/os.vhd"}}
    hardware = {"vmSize": "Standard_D2s_v5"}
    emulated.put("virtualMachines/old", {"hardwareProfile": hardware, "storageProfile": {"osDisk": unmanaged}})
    old = {"source": {"virtualMachineId": f"{COMPUTE}/virtualMachines/old"}}
    assert "not managed" in emulated.version_refused(old, special).message

    image = emulated.image("base", emulated.disk("small", hyperVGeneration="V2"))
    ephemeral = {"createOption": "FromImage", "diffDiskSettings": {"option": "Local"}}
    properties = {
        "hardwareProfile": hardware,
        "storageProfile": {"imageReference": {"id": image}, "osDisk": ephemeral},
        "osProfile": {"computerName": "cattle", "adminUsername": "operator"},
    }
    emulated.put("virtualMachines/cattle", properties)
    cattle = {"source": {"virtualMachineId": f"{COMPUTE}/virtualMachines/cattle"}}
    assert "ephemeral" in emulated.version_refused(cattle, special).message


def test_a_version_with_a_key_of_ones_own_is_no_source(emulated: Emulated) -> None:
    encryption = {"osDiskImage": {"diskEncryptionSetId": GROUP + CUSTOMER_KEYS}}
    properties = version_properties(disk_source(emulated.disk("os")))
    properties["publishingProfile"]["targetRegions"] = [{"name": "eastus", "encryption": encryption}]
    first = f"{COMPUTE}/galleries/corp/images/ubuntu/versions/1.0.0"
    emulated.put(first, properties)
    assert "customer-managed key" in emulated.version_refused({"source": {"id": first}}).message


def test_a_blob_needs_its_storage_account_and_that_it_is_its_own(emulated: Emulated) -> None:
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/images"
    uri = "https://images.blob.core.windows.net/vhds/os.vhd"

    def refused(**source: str) -> str:
        error = emulated.version_refused({"osDiskImage": {"source": source}})
        assert error.code == "InvalidParameter"
        return error.target.removeprefix(f"{TARGET}.osDiskImage.source").lstrip(".")

    assert refused(uri=uri) == "storageAccountId"
    assert refused(storageAccountId=account) == "uri"
    assert refused(uri=uri, storageAccountId=f"{COMPUTE}/disks/os") == "storageAccountId"
    assert refused(uri=uri, storageAccountId=f"{account}2") == "storageAccountId"
    assert refused(uri="https://images.blob.core.windows.net/os.vhd", storageAccountId=account) == "uri"
    assert refused(uri=uri, id=f"{COMPUTE}/disks/os") == ""
    assert refused(uri=uri, storageAccountId=account) == "uri", "a host that may not be read from"


def test_a_source_that_is_still_made_has_to_be_waited_for(emulated: Emulated) -> None:
    emulated.service.durations = type(emulated.service.durations)(1.0)
    error = emulated.version_refused(disk_source(emulated.disk("os")))
    assert (error.status, error.code) == (409, "Conflict")
    emulated.clock.advance(60)
    emulated.version(disk_source(f"{COMPUTE}/disks/os"))


def test_what_is_encrypted_with_customer_keys_comes_from_the_customers_disks(emulated: Emulated) -> None:
    def refused(profile: dict[str, Any], **data: Any) -> str:
        keys = {"diskEncryptionSetId": GROUP + CUSTOMER_KEYS}
        encryption = {"osDiskImage": keys, **{name: [{**keys, **one} for one in luns] for name, luns in data.items()}}
        regions = [{"name": "eastus", "encryption": encryption}]
        return emulated.version_refused(profile, targetRegions=regions).message

    emulated.version(disk_source(emulated.disk("os")))
    version = {"source": {"id": f"{COMPUTE}/galleries/corp/images/ubuntu/versions/1.0.0"}}
    assert "is made from a virtual machine" in refused(version)
    assert "no data disk with lun 5" in refused(disk_source(f"{COMPUTE}/disks/os"), dataDiskImages=[{"lun": 5}])
