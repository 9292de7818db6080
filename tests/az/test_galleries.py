"""The whole life cycle of a gallery with `az sig`."""

from __future__ import annotations

import pytest
from support.azure.az_command import Az, AzFailed


def in_definition(group: str, gallery: str) -> tuple[str, ...]:
    return ("-g", group, "-r", gallery, "-i", "ubuntu")


def in_version(group: str, gallery: str, version: str = "1.0.0") -> tuple[str, ...]:
    return (*in_definition(group, gallery), "-e", version)


def make_definition(az: Az, group: str, gallery: str) -> None:
    words = ("--publisher", "Contoso", "--offer", "Ubuntu", "--sku", "24.04", "--os-type", "Linux")
    az("sig", "image-definition", "create", *in_definition(group, gallery), *words)


def make_snapshot(az: Az, group: str) -> str:
    az("disk", "create", "-g", group, "-n", "os", "--size-gb", "16", "--os-type", "Linux")
    return str(az("snapshot", "create", "-g", group, "-n", "os", "--source", "os")["id"])


def test_a_gallery_and_what_is_in_it(az: Az, group: str, gallery: str) -> None:
    made = az("sig", "create", "-g", group, "-r", gallery, "--description", "first", "--tags", "a=b")
    assert (made["location"], made["description"], made["tags"]) == ("eastus", "first", {"a": "b"})
    changed = az("sig", "update", "-g", group, "-r", gallery, "--set", "description=second")
    assert changed["description"] == "second"
    assert [one["name"] for one in az("sig", "list", "-g", group)] == [gallery]

    make_definition(az, group, gallery)
    changed = az("sig", "image-definition", "update", *in_definition(group, gallery), "--set", "description=ours")
    assert changed["description"] == "ours"
    shown = az("sig", "image-definition", "show", *in_definition(group, gallery))
    assert (shown["hyperVGeneration"], shown["osState"]) == ("V2", "Generalized")
    assert shown["features"] == [{"name": "SecurityType", "value": "TrustedLaunchSupported"}]
    definitions = az("sig", "image-definition", "list", "-g", group, "-r", gallery)
    assert [one["name"] for one in definitions] == ["ubuntu"]

    with pytest.raises(AzFailed, match="CannotDeleteResource"):
        az("sig", "delete", "-g", group, "-r", gallery)
    az("sig", "image-definition", "delete", *in_definition(group, gallery))
    az("sig", "delete", "-g", group, "-r", gallery)
    with pytest.raises(AzFailed, match="ResourceNotFound") as missing:
        az("sig", "show", "-g", group, "-r", gallery)
    assert missing.value.code == 3


def test_a_version_is_replicated_excluded_and_deleted(az: Az, group: str, gallery: str) -> None:
    snapshot = make_snapshot(az, group)
    az("sig", "create", "-g", group, "-r", gallery)
    make_definition(az, group, gallery)
    where = in_version(group, gallery)
    regions = ("--target-regions", "eastus=2", "westus3=1=standard_zrs")
    made = az("sig", "image-version", "create", *where, "--os-snapshot", snapshot, *regions)
    assert [
        (one["name"], one["regionalReplicaCount"], one["storageAccountType"])
        for one in made["publishingProfile"]["targetRegions"]
    ] == [("East US", 2, "Standard_LRS"), ("West US 3", 1, "Standard_ZRS")]
    assert made["storageProfile"]["osDiskImage"]["sizeInGB"] == 16

    more = ("--add", "publishingProfile.targetRegions", "name=northeurope", "regionalReplicaCount=1")
    az("sig", "image-version", "update", *where, *more)
    status = az("sig", "image-version", "show", *where, "--expand", "ReplicationStatus")["replicationStatus"]
    assert status["aggregatedState"] == "Completed"
    assert [one["region"] for one in status["summary"]] == ["East US", "West US 3", "North Europe"]

    keep = ("--target-regions", "eastus=2", "northeurope")
    with pytest.raises(AzFailed, match="allowDeletionOfReplicatedLocations"):
        az("sig", "image-version", "update", *where, *keep)
    az("sig", "image-version", "update", *where, "--allow-replicated-location-deletion", "true")
    fewer = az("sig", "image-version", "update", *where, *keep)
    assert [one["name"] for one in fewer["publishingProfile"]["targetRegions"]] == ["East US", "North Europe"]

    excluded = az("sig", "image-version", "update", *where, "--set", "publishingProfile.excludeFromLatest=true")
    assert excluded["publishingProfile"]["excludeFromLatest"] is True
    assert excluded["storageProfile"]["osDiskImage"]["source"]["id"] == snapshot
    versions = az("sig", "image-version", "list", *in_definition(group, gallery))
    assert [one["name"] for one in versions] == ["1.0.0"]
    az("sig", "image-version", "delete", *where)
    assert az("sig", "image-version", "list", *in_definition(group, gallery)) == []


def test_a_gallery_is_shared_and_no_longer(az: Az, group: str, gallery: str) -> None:
    subscription = az.emulator.subscription
    az("sig", "create", "-g", group, "-r", gallery, "--permissions", "Groups")
    az("sig", "share", "add", "-g", group, "-r", gallery, "--subscription-ids", subscription)
    shown = az("sig", "show", "-g", group, "-r", gallery, "--select", "Permissions")["sharingProfile"]
    assert shown == {"permissions": "Groups", "groups": [{"type": "Subscriptions", "ids": [subscription]}]}
    (shared,) = (one for one in az("sig", "list-shared", "-l", "eastus") if one["name"].endswith(gallery.upper()))
    assert shared["uniqueId"] == f"/SharedGalleries/{shared['name']}"
    az("sig", "share", "remove", "-g", group, "-r", gallery, "--subscription-ids", subscription)
    assert not any(one["name"] == shared["name"] for one in az("sig", "list-shared", "-l", "eastus"))
    az("sig", "share", "reset", "-g", group, "-r", gallery)
    assert az("sig", "show", "-g", group, "-r", gallery)["sharingProfile"]["permissions"] == "Private"


def test_a_gallery_for_the_community(az: Az, group: str, gallery: str) -> None:
    publisher = ("--publisher-uri", "https://contoso.example", "--publisher-email", "images@contoso.example")
    terms = ("--eula", "https://contoso.example/eula", "--public-name-prefix", "contoso")
    made = az("sig", "create", "-g", group, "-r", gallery, "--permissions", "Community", *publisher, *terms)
    (name,) = made["sharingProfile"]["communityGalleryInfo"]["publicNames"]
    make_definition(az, group, gallery)
    snapshot = make_snapshot(az, group)
    az("sig", "image-version", "create", *in_version(group, gallery), "--os-snapshot", snapshot)
    az("sig", "share", "enable-community", "-g", group, "-r", gallery)
    public = ("-l", "eastus", "--public-gallery-name", name)
    assert az("sig", "show-community", *public)["name"] == name
    assert [one["name"] for one in az("sig", "image-definition", "list-community", *public)] == ["ubuntu"]
    versions = az("sig", "image-version", "list-community", *public, "-i", "ubuntu")
    assert [one["name"] for one in versions] == ["1.0.0"]


def test_a_deleted_version_is_kept_and_brought_back(az: Az, group: str, gallery: str) -> None:
    az("sig", "create", "-g", group, "-r", gallery, "--soft-delete", "true")
    make_definition(az, group, gallery)
    where, definition = in_version(group, gallery), in_definition(group, gallery)
    made = az("sig", "image-version", "create", *where, "--os-snapshot", make_snapshot(az, group))
    az("sig", "image-version", "delete", *where)
    assert [one["name"] for one in az("sig", "image-version", "list-soft-deleted", *definition)] == ["1.0.0"]
    with pytest.raises(AzFailed, match="ResourceNotFound"):
        az("sig", "image-version", "show", *where)
    back = az("sig", "image-version", "undelete", *where)
    assert back["publishingProfile"]["publishedDate"] == made["publishingProfile"]["publishedDate"]
    assert az("sig", "image-version", "list-soft-deleted", *definition) == []


def test_errors_say_what_and_where(az: Az, group: str, gallery: str) -> None:
    with pytest.raises(AzFailed, match="ResourceGroupNotFound"):
        az("sig", "create", "-g", f"{group}-none", "-r", gallery, "-l", "eastus")
    az("sig", "create", "-g", group, "-r", gallery)
    make_definition(az, group, gallery)
    missing = f"{az('group', 'show', '-n', group)['id']}/providers/Microsoft.Compute/snapshots/none"
    with pytest.raises(AzFailed, match="snapshots/none") as refused:
        az("sig", "image-version", "create", *in_version(group, gallery), "--os-snapshot", missing)
    assert "NotFound" in str(refused.value)
    words = ("--os-snapshot", make_snapshot(az, group), "--target-regions", "westus")
    with pytest.raises(AzFailed, match=r"Target: galleryImageVersion\.properties\.publishingProfile"):
        az("sig", "image-version", "create", *in_version(group, gallery), *words)
