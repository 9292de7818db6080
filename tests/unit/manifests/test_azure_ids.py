"""Ids of Azure: what is one, how they are compared, and what is said of the ones in manifests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.manifest_files import load_manifest

from reconciler.manifests.address import Kind
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.identifiers.arm_ids import ArmId, with_spelling_of
from reconciler.planning.diff import attribute_changes

GUID = "0000000a-0000-0000-0000-00000000000b"
GROUP = f"/subscriptions/{GUID}/resourceGroups/images/providers"
DISK = f"{GROUP}/Microsoft.Compute/disks/os"
OTHER_BLOB = "is not that of a blob in the storage account"


def test_an_id_is_joined_to_an_endpoint_as_segments() -> None:
    assert ArmId.parse(DISK).path == DISK
    spelled = f"/Subscriptions/{GUID}/RESOURCEGROUPS/Bilder-ä/providers/microsoft.compute/Disks/x"
    expected = f"/subscriptions/{GUID}/resourceGroups/Bilder-%C3%A4/providers/microsoft.compute/Disks/x"
    assert ArmId.parse(spelled).path == expected
    assert ArmId.parse(spelled).type == "microsoft.compute/disks"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "os",
        "@other.example/x/disks/y",
        ".other.example/x/disks/y",
        "//other.example/x/disks/y",
        f"{DISK}/",
        f"{DISK}?x=1",
        f"{DISK}#x",
        f"{DISK}/../y",
        f"{GROUP}/Microsoft.Compute/disks/..",
        f"{GROUP}/Microsoft.Compute/disks/%2e%2e",
        f"{GROUP}/Microsoft.Compute/disks/a b",
        f"{GROUP}/Microsoft.Compute/disks",
        "/subscriptions/s/resourceGroups/images/providers/Microsoft.Compute/disks/os",
        f"https://evil.example{DISK}",
        f"x{DISK}",
        f"{DISK}\n",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        ArmId.parse(text)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"disk": "@other.example/x/disks/y"}, "is not the id of a disk"),
        ({"disk": f"{GROUP}/Microsoft.Compute/snapshots/os"}, "is not the id of a disk"),
        ({"snapshot": DISK}, "is not the id of a snapshot"),
        ({"managedImage": DISK}, "is not the id of a managedImage"),
        ({"managedImage": f"{GROUP}/Microsoft.Compute/galleries/g/images/i"}, "is not the id of a managedImage"),
        ({"vm": "web"}, "is not the id of a vm"),
        ({"communityGalleryImage": "x"}, "is not the id of an image in a community gallery"),
        ({"vhd": {"uri": "https://other.blob.core.windows.net/c/b.vhd"}}, OTHER_BLOB),
        ({"vhd": {"uri": "http://acc.blob.core.windows.net/c/b.vhd"}}, OTHER_BLOB),
        ({"vhd": {"uri": "http://169.254.169.254/acc/c/b.vhd"}}, OTHER_BLOB),
        ({"vhd": {"uri": "http://127.0.0.1:1/acc/c/b.vhd"}}, OTHER_BLOB),
    ],
)
def test_the_kind_of_id_that_is_needed_is_said(tmp_path: Path, source: dict[str, object], says: str) -> None:
    with pytest.raises(ManifestError) as caught:
        loaded(tmp_path, source)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        {"disk": DISK.replace("/disks", "/DISKS").replace("resourceGroups", "resourcegroups")},
        {"managedImage": f"{GROUP}/Microsoft.Compute/galleries/g/images/i/versions/1.0.0"},
        {"communityGalleryImage": "/CommunityGalleries/pub-1/Images/i/Versions/1.0.0"},
        {"vhd": {"uri": "https://acc.blob.core.windows.net/c/b.vhd"}},
    ],
)
def test_ids_in_any_case_are_accepted(tmp_path: Path, source: dict[str, object]) -> None:
    assert loaded(tmp_path, source)


def loaded(folder: Path, source: dict[str, object]) -> object:
    """The manifests of a project on Azure with a version from this source. Raises: ManifestError."""
    if isinstance(vhd := source.get("vhd"), dict):
        vhd["storageAccount"] = f"{GROUP}/Microsoft.Storage/storageAccounts/acc"
    provider = {"type": "azure", "subscription": GUID, "resourceGroup": "images"}
    (folder / "reconciler.yaml").write_text(json.dumps({"project": "p", "provider": provider}))
    (folder / "manifests").mkdir()
    identifier = {"publisher": "a", "offer": "b", "sku": "c"}
    system = {"osType": "Linux", "osState": "Generalized", "identifier": identifier}
    documents: list[dict[str, object]] = [
        {"kind": "Gallery", "name": "corp", "location": "eastus"},
        {"kind": "ImageDefinition", "gallery": "corp", "name": "web", **system},
        {"kind": "ImageVersion", "image": "corp/web", "name": "1.0.0", "source": source},
    ]
    (folder / "manifests" / "a.yaml").write_text("\n---\n".join(map(json.dumps, documents)))
    return load_manifest(folder)


def test_another_case_is_no_change() -> None:
    upper = DISK.upper()
    assert attribute_changes({"source": {"disk": DISK}}, {"source": {"disk": upper}}, Kind.IMAGE_VERSION) == ()
    assert attribute_changes({"source": {"disk": DISK}}, {"source": {"disk": f"{DISK}2"}}, Kind.IMAGE_VERSION)
    two = [f"{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/{name}" for name in ("a", "B")]
    assert with_spelling_of(two, [two[1].lower(), two[0].upper()]) == two
    assert with_spelling_of({"tags": {"a": "X"}}, {"tags": {"a": "x"}}) == {"tags": {"a": "x"}}
