"""Every kind of source of a version, through the engine, on the emulator; and the errors for those that do not fit."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.azure.azurite import RunningAzurite
from support.azure.projects import MANIFEST, CloudProject, cloud_project
from support.azure.world import COMPUTE_ID
from support.downloads.image_server import Served, image_server
from support.estates import definition, gallery, version

from reconciler.providers.emulator.core.injected_faults import Fault

V1 = "corp/ubuntu/1.0.0"
PUBLISHER = {"publisherUri": "https://a.example", "publisherContact": "a@a.example", "eula": "e"}
Source = Mapping[str, Any]
Make = Callable[[CloudProject], Source]


@pytest.fixture
def project(tmp_path: Path, azurite: RunningAzurite) -> Iterator[CloudProject]:
    with cloud_project(tmp_path / "project", azurite) as found:
        yield found


def community_image(project: CloudProject) -> Source:
    """A version that another publisher shares with the community."""
    public = {**PUBLISHER, "publicNamePrefix": "public"}
    path = f"{COMPUTE_ID}/galleries/theirs"
    profile = {"sharingProfile": {"permissions": "Community", "communityGalleryInfo": public}}
    project.world.call("PUT", path, {"location": "eastus", "properties": profile})
    project.world.call("POST", f"{path}/share", {"operationType": "EnableCommunity"})
    shown = project.world.call("GET", path)["properties"]["sharingProfile"]["communityGalleryInfo"]
    identifier = {"publisher": "a", "offer": "b", "sku": "c"}
    properties = {"osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V2", "identifier": identifier}
    project.world.call("PUT", f"{path}/images/linux", {"location": "eastus", "properties": properties})
    disk = {"osDiskImage": {"source": {"id": project.disk("theirs", kind="snapshots")}}}
    body = {"location": "eastus", "properties": {"storageProfile": disk}}
    project.world.call("PUT", f"{path}/images/linux/versions/2.0.0", body)
    return {"communityGalleryImage": f"/CommunityGalleries/{shown['publicNames'][0]}/Images/linux/Versions/2.0.0"}


WAYS: dict[str, Make] = {
    "managedImage": lambda project: {"managedImage": project.managed_image("base")},
    "snapshot": lambda project: {"snapshot": project.disk("os", kind="snapshots")},
    "disk": lambda project: {"disk": project.disk("os")},
    "vm": lambda project: {"vm": project.virtual_machine("builder", generalized=True)},
    "vhd": lambda project: project.blob("os.vhd"),
    "communityGalleryImage": community_image,
}


@pytest.mark.parametrize("style", WAYS)
def test_a_version_is_made_from(project: CloudProject, style: str) -> None:
    source = WAYS[style](project)
    documents = gallery(), definition(), version(source)
    before = project.world.objects()
    assert project.apply_until_done(*documents)[V1] == "create"
    assert not project.drift().found
    changed = version(source, tags={"a": "b"}, targetRegions=["eastus=2", "westus"])
    assert project.apply_until_done(gallery(), definition(), changed) == {V1: "update", f"{V1}@eastus": "update"}
    result = project.apply(destroy=True).result
    assert result is not None
    assert result.complete, result
    assert project.world.objects() == before


def test_a_version_is_created_from_a_vm_that_was_not_generalized(project: CloudProject) -> None:
    vm = {"vm": project.virtual_machine("builder", generalized=False)}
    documents = gallery(), definition(osState="Specialized"), version(vm)
    assert project.apply_until_done(*documents)[V1] == "create"


def test_a_version_is_made_from_another_one(project: CloudProject) -> None:
    first = version({"snapshot": project.disk("os", kind="snapshots")})
    second = version({"version": "corp/ubuntu/latest"}, name="1.1.0")
    third = version({"version": V1}, name="1.2.0")
    project.apply_until_done(gallery(), definition(), first, second, third)
    shown = project.world.call("GET", f"{COMPUTE_ID}/galleries/corp/images/ubuntu/versions/1.1.0")
    assert shown["properties"]["storageProfile"]["source"]["id"].endswith("/versions/1.0.0")
    project.destroy()


def test_a_version_has_data_disks_of_several_kinds(project: CloudProject) -> None:
    disks = [
        {"lun": 1, "source": {"snapshot": project.disk("data", kind="snapshots")}, "hostCaching": "None"},
        {"lun": 0, "source": {"disk": project.disk("more", size_gb=2)}},
        {"lun": 5, "source": project.blob("data.vhd")},
    ]
    os_disk = {"snapshot": project.disk("os", kind="snapshots")}
    project.apply_until_done(gallery(), definition(), version(os_disk, dataDisks=disks, hostCaching="ReadOnly"))
    shown = project.world.call("GET", f"{COMPUTE_ID}/galleries/corp/images/ubuntu/versions/1.0.0")
    profile = shown["properties"]["storageProfile"]
    assert profile["osDiskImage"]["hostCaching"] == "ReadOnly"
    found = {disk["lun"]: (disk["sizeInGB"], disk["hostCaching"]) for disk in profile["dataDiskImages"]}
    assert found == {0: (2, "ReadOnly"), 1: (1, "None"), 5: (1, "ReadOnly")}
    assert not project.drift().found


@pytest.mark.parametrize(
    ("style", "collection"),
    [("managedImage", "images"), ("snapshot", "snapshots"), ("disk", "disks"), ("vm", "virtualMachines")],
)
def test_a_source_that_is_missing_is_told_while_planning(project: CloudProject, style: str, collection: str) -> None:
    named = f"{COMPUTE_ID}/{collection}/gone"
    told = project.refused(gallery(), definition(), version({style: named}))
    assert f"the {style} '{named}' does not exist" in told
    assert "check its id, or create it first" in told
    assert told.startswith(f"{MANIFEST}:")


def test_an_id_of_another_kind_is_told_while_planning(project: CloudProject) -> None:
    told = project.refused(gallery(), definition(), version({"snapshot": project.disk("os")}))
    assert "is not the id of a snapshot" in told


def test_a_blob_that_is_missing_is_told_with_its_address(project: CloudProject) -> None:
    source = project.blob("os.vhd")
    source["vhd"]["uri"] = source["vhd"]["uri"].replace("os.vhd", "gone.vhd")
    told = project.failure(gallery(), definition(), version(source))
    assert "gone.vhd" in told
    assert V1 in told


@pytest.mark.parametrize(
    ("make", "attributes", "said"),
    [
        (WAYS["vm"], {"osState": "Specialized"}, "has osState Generalized, but its definition has Specialized"),
        (WAYS["vm"], {"hyperVGeneration": "V1"}, "has hyperVGeneration V2, but its definition has V1"),
        (WAYS["managedImage"], {"hyperVGeneration": "V1"}, "has hyperVGeneration V2, but its definition has V1"),
        (WAYS["snapshot"], {"osType": "Windows"}, "has osType Linux, but its definition has Windows"),
    ],
)
def test_a_source_that_does_not_fit_its_definition_is_told_while_planning_with_the_rule(
    project: CloudProject, make: Make, attributes: dict[str, Any], said: str
) -> None:
    told = project.refused(gallery(), definition(**attributes), version(make(project)))
    assert said in told
    assert V1 in told
    assert "osType, osState, hyperVGeneration and purchasePlan of the definition must match those of the source" in told


def test_a_version_that_does_not_fit_another_definition_is_told_while_planning(project: CloudProject) -> None:
    first = version({"snapshot": project.disk("os", kind="snapshots")})
    other = definition(name="debian", osState="Specialized"), version({"version": V1}, "corp/debian")
    told = project.refused(gallery(), definition(), first, *other)
    assert f"{V1} cannot be the source: corp/ubuntu and corp/debian differ in osState" in told
    assert told.startswith(f"{MANIFEST}:")
    assert "corp/debian/1.0.0" in told


NEEDED = {
    "managedImage": "Microsoft.Compute/images/read on the managed image",
    "snapshot": "Microsoft.Compute/snapshots/write on the snapshot",
    "disk": "Microsoft.Compute/disks/write on the disk",
    "vm": "Microsoft.Compute/virtualMachines/write on the virtual machine",
    "vhd": "Microsoft.Storage/storageAccounts/listKeys/action on the storage account",
}


@pytest.mark.parametrize("style", NEEDED)
def test_a_permission_that_is_missing_is_named(project: CloudProject, style: str) -> None:
    documents = gallery(), definition(), version(WAYS[style](project))
    refusal = Fault("error", method="PUT", path="*/versions/*", status=403, code="AuthorizationFailed", times=1)
    project.world.emulator.service.faults.set([refusal])
    told = project.failure(*documents)
    assert V1 in told
    assert NEEDED[style] in told
    assert project.apply_until_done()[V1] == "create"


@pytest.mark.parametrize("way", ["download", "compressed"])
def test_a_version_is_made_from_a_compressed_image(project: CloudProject, tmp_path: Path, way: str) -> None:
    """It is uploaded unpacked, and known by the digest of the compressed file."""
    packed = lzma.compress(b"\xfa" * 512 + bytes(2 << 20))
    sha256 = hashlib.sha256(packed).hexdigest()
    (project.folder / "image.xz").write_bytes(packed)
    with image_server(tmp_path) as server:
        server.answers["/image.xz"] = Served(packed)
        project.trust = server.trust()
        url = {"url": server.url("/image.xz"), "sha256": sha256}
        source = url if way == "download" else {"file": "../image.xz"}
        project.write(gallery(), definition(), version(source))
        project.plan()
        assert server.connections == 0
        assert project.apply_until_done(gallery(), definition(), version(source))[V1] == "create"
        assert len(server.requests) == (1 if way == "download" else 0)
    facts = project.records()[V1].computed_values["disks"]["os"]
    assert (facts["sourceSha256"], facts["format"], facts["virtualSize"]) == (sha256, "raw", 512 + (2 << 20))


def test_a_disk_that_is_too_large_is_refused_while_planning(project: CloudProject) -> None:
    with (project.folder / "large.img").open("wb") as file:
        file.truncate(2049 << 30)
    told = project.refused(gallery(), definition(), version({"file": "../large.img"}))
    assert "a disk of 2,049 GiB" in told
    assert "declare replicationMode: Shallow" in told
    assert told.startswith(f"{MANIFEST}:")
