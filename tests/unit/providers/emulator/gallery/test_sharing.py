"""Sharing of galleries: what is possible, what is stored, and what it rules out."""

from __future__ import annotations

from typing import Any

import pytest
from support.azure.emulated_service import COMPUTE, DEFINITION, GROUP, Emulated, version_properties

GALLERY = "galleries/corp"
PUBLISHER = {
    "publisherUri": "https://contoso.example",
    "publisherContact": "images@contoso.example",
    "eula": "https://contoso.example/eula",
    "publicNamePrefix": "contoso",
}
COMMUNITY = {"permissions": "Community", "communityGalleryInfo": PUBLISHER}


def make(emulated: Emulated, profile: dict[str, Any]) -> None:
    emulated.put(GALLERY, {"sharingProfile": profile})


def share(operation: str, *groups: tuple[str, list[str]]) -> dict[str, Any]:
    return {"operationType": operation, "groups": [{"type": kind, "ids": ids} for kind, ids in groups]}


def groups_of(emulated: Emulated, **query: str) -> dict[str, list[str]]:
    profile = emulated.properties(GALLERY, **query)["sharingProfile"]
    return {one["type"]: one["ids"] for one in profile.get("groups", [])}


def test_groups_come_and_go_and_are_shown_when_asked_for(emulated: Emulated) -> None:
    make(emulated, {"permissions": "Groups"})
    both = share("Add", ("Subscriptions", ["s1"]), ("AADTenants", ["t1"]), ("Subscriptions", ["s2", "s2"]))
    emulated.send("POST", f"{GALLERY}/share", both)
    everyone = {"Subscriptions": ["s1", "s2"], "AADTenants": ["t1"]}
    assert groups_of(emulated, expand="SharingProfile/Groups") == everyone
    assert groups_of(emulated, select="Permissions") == everyone
    assert groups_of(emulated) == {}
    emulated.send("POST", f"{GALLERY}/share", share("Add", ("Subscriptions", ["S1", "s3"])))
    assert groups_of(emulated, select="permissions")["Subscriptions"] == ["s2", "S1", "s3"]
    emulated.put(GALLERY)
    emulated.send("POST", f"{GALLERY}/share", share("Remove", ("AADTenants", ["T1"]), ("Subscriptions", ["s2"])))
    assert groups_of(emulated, select="Permissions") == {"Subscriptions": ["S1", "s3"]}


def test_sharing_is_an_asynchronous_operation_with_a_status(paced: Emulated) -> None:
    make(paced, {"permissions": "Groups"})
    paced.clock.advance(10)
    answer = paced.send("POST", f"{GALLERY}/share", share("Add", ("Subscriptions", ["s1"])))
    assert (answer.status, answer.body) == (202, None)
    assert answer.headers["Location"] == f"{answer.headers['Azure-AsyncOperation']}&monitor=true"
    shown = paced.properties(GALLERY)
    assert (shown["provisioningState"], shown["sharingStatus"]["aggregatedState"]) == ("Updating", "InProgress")
    assert groups_of(paced, select="Permissions") == {}
    operation = answer.headers["Location"].partition("https://localhost")[2].partition("?")[0]
    assert paced.send("GET", operation, monitor="true").status == 202
    paced.clock.advance(10)
    done = paced.send("GET", operation, monitor="true")
    assert (done.status, done.body) == (200, None)
    assert paced.properties(GALLERY)["sharingStatus"]["aggregatedState"] == "Succeeded"
    assert groups_of(paced, select="Permissions") == {"Subscriptions": ["s1"]}


@pytest.mark.parametrize(("kind", "most"), [("Subscriptions", 30), ("AADTenants", 5)])
def test_so_many_and_no_more(emulated: Emulated, kind: str, most: int) -> None:
    make(emulated, {"permissions": "Groups"})
    emulated.send("POST", f"{GALLERY}/share", share("Add", (kind, [f"{one}" for one in range(most)])))
    error = emulated.refused("POST", f"{GALLERY}/share", share("Add", (kind, ["one more"])))
    assert (error.status, error.code, error.target) == (400, "InvalidParameter", "sharingUpdate.groups")
    assert len(groups_of(emulated, select="Permissions")[kind]) == most


@pytest.mark.parametrize(
    ("profile", "operation"),
    [
        ({"permissions": "Private"}, "Add"),
        ({"permissions": "Private"}, "EnableCommunity"),
        ({"permissions": "Groups"}, "EnableCommunity"),
        (COMMUNITY, "Add"),
        (COMMUNITY, "Remove"),
    ],
)
def test_each_kind_of_gallery_is_shared_in_its_own_way(
    emulated: Emulated, profile: dict[str, Any], operation: str
) -> None:
    make(emulated, profile)
    error = emulated.refused("POST", f"{GALLERY}/share", share(operation))
    assert (error.status, error.code, error.target) == (409, "OperationNotAllowed", "sharingUpdate.operationType")


def test_what_is_no_way_to_share(emulated: Emulated) -> None:
    make(emulated, {"permissions": "Groups"})
    for body, target in (
        ({}, "sharingUpdate.operationType"),
        ({"operationType": "Give"}, "sharingUpdate.operationType"),
        ({"operationType": "Add", "groups": [{"type": "Friends", "ids": []}]}, "sharingUpdate.groups[0].type"),
    ):
        error = emulated.refused("POST", f"{GALLERY}/share", body)
        assert (error.status, error.target) == (400, target)


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ({"permissions": "Private"}, {"permissions": "Groups"}, True),
        ({"permissions": "Private"}, COMMUNITY, False),
        ({"permissions": "Groups"}, COMMUNITY, False),
        (COMMUNITY, {"permissions": "Private"}, False),
        (COMMUNITY, COMMUNITY, True),
        (COMMUNITY, {**COMMUNITY, "communityGalleryInfo": {**PUBLISHER, "publisherContact": "b@x.example"}}, False),
    ],
)
def test_what_a_write_can_make_of_a_gallery(
    emulated: Emulated, before: dict[str, Any], after: dict[str, Any], allowed: bool
) -> None:
    make(emulated, before)
    if allowed:
        make(emulated, after)
        assert emulated.properties(GALLERY)["sharingProfile"]["permissions"] == after["permissions"]
    else:
        error = emulated.put_refused(GALLERY, {"sharingProfile": after})
        assert (error.status, error.code) == (409, "PropertyChangeNotAllowed")


@pytest.mark.parametrize("missing", sorted(PUBLISHER))
def test_the_community_has_to_know_the_publisher(emulated: Emulated, missing: str) -> None:
    info = {name: value for name, value in PUBLISHER.items() if name != missing}
    error = emulated.put_refused(GALLERY, {"sharingProfile": {**COMMUNITY, "communityGalleryInfo": info}})
    assert error.target == f"gallery.properties.sharingProfile.communityGalleryInfo.{missing}"


@pytest.mark.parametrize("prefix", ["abcd", "a" * 17, "con-toso"])
def test_public_names_begin_with_letters_and_digits(emulated: Emulated, prefix: str) -> None:
    info = {**PUBLISHER, "publicNamePrefix": prefix}
    error = emulated.put_refused(GALLERY, {"sharingProfile": {**COMMUNITY, "communityGalleryInfo": info}})
    assert error.status == 400


def test_a_community_gallery_is_enabled_and_reset_before_it_goes(emulated: Emulated) -> None:
    make(emulated, COMMUNITY)
    info = emulated.properties(GALLERY)["sharingProfile"]["communityGalleryInfo"]
    (name,) = info["publicNames"]
    assert name.startswith("contoso-")
    assert info["communityGalleryEnabled"] is False
    emulated.send("POST", f"{GALLERY}/share", share("EnableCommunity"))
    assert emulated.properties(GALLERY)["sharingProfile"]["communityGalleryInfo"] == {
        **info,
        "communityGalleryEnabled": True,
    }
    error = emulated.refused("DELETE", GALLERY)
    assert (error.status, error.code) == (409, "CannotDeleteResource")
    emulated.send("POST", f"{GALLERY}/share", share("Reset"))
    assert emulated.properties(GALLERY)["sharingProfile"] == {"permissions": "Private"}
    assert emulated.send("DELETE", GALLERY).status == 202


@pytest.mark.parametrize("profile", [{"permissions": "Groups"}, COMMUNITY])
def test_what_a_shared_gallery_cannot_hold(emulated: Emulated, profile: dict[str, Any]) -> None:
    make(emulated, profile)
    emulated.put(GALLERY, {"sharingProfile": profile})
    identifier = {"publisher": "Contoso", "offer": "Servers", "sku": "ubuntu"}
    emulated.put(DEFINITION, {"osType": "Linux", "osState": "Generalized", "identifier": identifier})
    path, source = f"{DEFINITION}/versions/1.0.0", {"osDiskImage": {"source": {"id": emulated.disk("os")}}}
    keys = {"osDiskImage": {"diskEncryptionSetId": f"{COMPUTE}/diskEncryptionSets/keys"}}
    secret = version_properties(source, targetRegions=[{"name": "eastus", "encryption": keys}])
    assert "encrypted" in emulated.put_refused(path, secret).message
    elsewhere = emulated.put_refused(
        path, version_properties(source, targetRegions=[{"name": "westus"}]), location="westus"
    )
    assert (elsewhere.status, elsewhere.target) == (400, "galleryImageVersion.location")
    assert emulated.put(path, version_properties(source)).status == 201


def test_a_gallery_that_is_not_there_is_not_shared(emulated: Emulated) -> None:
    assert emulated.refused("POST", f"{GALLERY}/share", share("Reset")).code == "ResourceNotFound"
    assert emulated.refused(
        "POST", f"{GROUP}-none/providers/Microsoft.Compute/galleries/corp/share", share("Reset")
    ).code == ("ResourceGroupNotFound")
