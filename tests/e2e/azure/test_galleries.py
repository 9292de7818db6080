"""What people do with galleries beyond plain versions, through the engine, on the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.azure.azurite import RunningAzurite
from support.azure.projects import MANIFEST, CloudProject, cloud_project
from support.azure.world import COMPUTE_ID
from support.estates import definition, gallery, version

from reconciler.drift.report import DriftKind, DriftSeverity

GALLERY_ID = f"{COMPUTE_ID}/galleries/corp"
ONE, TWO, THREE = (f"{number}{'a' * 7}-0000-4000-8000-000000000000" for number in (1, 2, 3))
PUBLISHER = {
    "publisherUri": "https://contoso.example",
    "publisherContact": "images@contoso.example",
    "eula": "https://contoso.example/eula",
    "publicNamePrefix": "contoso",
}


@pytest.fixture
def project(tmp_path: Path, azurite: RunningAzurite) -> Iterator[CloudProject]:
    with cloud_project(tmp_path / "project", azurite) as found:
        yield found


def shared_with(*subscriptions: str, tenants: tuple[str, ...] = ()) -> dict[str, Any]:
    with_whom = {"Subscriptions": [*subscriptions], "AADTenants": [*tenants]}
    return {**gallery(), "sharing": {"permissions": "Groups", "groups": with_whom}}


def groups(project: CloudProject) -> dict[str, list[str]]:
    shown = project.world.call("GET", GALLERY_ID, **{"$expand": "SharingProfile/Groups"})
    profile = shown["properties"]["sharingProfile"]
    return {group["type"]: sorted(group["ids"]) for group in profile.get("groups", ())}


# Sharing.


def test_a_gallery_is_shared_with_others_and_withdrawn_again(project: CloudProject) -> None:
    assert project.apply_until_done(shared_with(ONE, tenants=(TWO,))) == {"corp": "create"}
    assert groups(project) == {"Subscriptions": [ONE], "AADTenants": [TWO]}
    assert project.apply_until_done(shared_with(THREE, TWO)) == {"corp": "update"}
    assert groups(project) == {"Subscriptions": [TWO, THREE]}
    assert project.apply_until_done(gallery(sharing={"permissions": "Groups"})) == {"corp": "update"}
    assert groups(project) == {}
    project.destroy()


def test_order_and_case_of_those_it_is_shared_with_make_no_difference(project: CloudProject) -> None:
    project.apply_until_done(shared_with(ONE.upper(), TWO, tenants=(THREE.upper(),)))
    share = {"operationType": "Remove", "groups": [{"type": "Subscriptions", "ids": [ONE]}]}
    project.world.call("POST", f"{GALLERY_ID}/share", share)
    share = {"operationType": "Add", "groups": [{"type": "Subscriptions", "ids": [ONE.lower()]}]}
    project.world.call("POST", f"{GALLERY_ID}/share", share)
    assert not project.plan().changes
    assert not project.drift().found


def test_somebody_else_shares_a_gallery(project: CloudProject) -> None:
    project.apply_until_done(shared_with(ONE))
    share = {"operationType": "Add", "groups": [{"type": "Subscriptions", "ids": [TWO]}]}
    project.world.call("POST", f"{GALLERY_ID}/share", share)
    (drift,) = project.drift().drifts
    assert (drift.kind, drift.severity) == (DriftKind.CHANGED, DriftSeverity.WARNING)
    assert [(one.path, one.after) for one in drift.changes] == [("sharing.groups.Subscriptions", [ONE, TWO])]
    assert project.apply_until_done() == {"corp": "update"}
    assert groups(project) == {"Subscriptions": [ONE]}


def test_a_community_gallery_is_published_and_withdrawn_before_its_end(project: CloudProject) -> None:
    community = gallery(sharing={"permissions": "Community", "communityGalleryInfo": PUBLISHER})
    source = {"snapshot": project.disk("os", kind="snapshots")}
    assert len(project.apply_until_done(community, definition(), version(source))) == 5
    profile = project.world.call("GET", GALLERY_ID)["properties"]["sharingProfile"]
    info = profile["communityGalleryInfo"]
    assert info["communityGalleryEnabled"] is True
    (public,) = info["publicNames"]
    assert public.startswith("contoso-")
    subscription = COMPUTE_ID.partition("/resourceGroups/")[0]
    public_id = f"{subscription}/providers/Microsoft.Compute/locations/westus/communityGalleries/{public}"
    assert project.world.call("GET", f"{public_id}/images/ubuntu/versions/1.0.0")["name"] == "1.0.0"
    project.destroy()


def test_whom_a_gallery_is_for_is_fixed_and_said_before_anything_happens(project: CloudProject) -> None:
    inside = definition(), version({"snapshot": project.disk("os", kind="snapshots")})
    project.apply_until_done(gallery(), *inside)
    told = project.refused(shared_with(ONE), *inside)
    assert "corp: replacing it would delete 1 published version, including corp/ubuntu/1.0.0" in told
    assert "--allow-replace corp" in told
    done = project.apply_until_done({**shared_with(ONE), "lifecycle": {"allowReplace": True}}, *inside)
    assert set(done.values()) == {"replace"}
    assert groups(project) == {"Subscriptions": [ONE]}


ENCRYPTED = {"osDiskImage": {"diskEncryptionSetId": f"{COMPUTE_ID}/diskEncryptionSets/keys"}}
SNAPSHOT = {"snapshot": f"{COMPUTE_ID}/snapshots/os"}
COMMUNITY = {"permissions": "Community", "communityGalleryInfo": PUBLISHER}
GROUPS = {"permissions": "Groups"}


def enforcing(kind: str) -> Any:
    return definition(features=[{"name": "SecurityType", "value": kind}])


MANY = tuple(f"{number:08}-0000-0000-0000-000000000000" for number in range(31))


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([gallery(sharing=GROUPS), enforcing("TrustedLaunch")], "TrustedLaunch is for private galleries only"),
        ([gallery(sharing=COMMUNITY), enforcing("ConfidentialVM")], "ConfidentialVM is for private galleries only"),
        (
            [gallery(sharing=GROUPS), definition(), version(SNAPSHOT, location="westus")],
            "the home region westus is not that of the directly shared gallery: eastus",
        ),
        (
            [gallery(sharing=COMMUNITY), definition(), version(SNAPSHOT, location="westus")],
            "everything in a community gallery must have the gallery's location, eastus",
        ),
        (
            [gallery(sharing=COMMUNITY), definition(location="westus")],
            "everything in a community gallery must have the gallery's location, eastus",
        ),
        *(
            (
                [
                    gallery(sharing=sharing),
                    definition(),
                    version(SNAPSHOT, targetRegions=[{"name": "eastus", "encryption": ENCRYPTED}]),
                ],
                f"a gallery with sharing permissions {sharing['permissions']} cannot contain encrypted versions",
            )
            for sharing in (GROUPS, COMMUNITY)
        ),
        ([shared_with(*MANY[:31])], "31 subscriptions are too many"),
        ([shared_with(tenants=MANY[:6])], "6 tenants are too many"),
    ],
)
def test_what_a_shared_gallery_forbids_is_said_with_its_place(
    project: CloudProject, documents: list[Any], said: str
) -> None:
    told = project.refused(*documents)
    assert said in told
    assert told.startswith(f"{MANIFEST}:")


# Soft delete.

KEPT = {"isSoftDeleteEnabled": True, "retentionPeriodInDays": 14, "gracePeriodInDays": 3}
VERSION_ID = f"{GALLERY_ID}/images/ubuntu/versions/1.0.0"
V1 = "corp/ubuntu/1.0.0"


def soft_deleted(project: CloudProject) -> list[str]:
    shown = project.world.call("GET", f"{GALLERY_ID}/softDeletedArtifactTypes/Images/artifacts/ubuntu/versions")
    return [one["name"] for one in shown["value"]]


@pytest.fixture
def kept(project: CloudProject) -> tuple[Any, ...]:
    """A version in a gallery with soft delete, published; its documents."""
    source = {"snapshot": project.disk("os", kind="snapshots")}
    documents = gallery(softDeletePolicy=KEPT), definition(), version(source)
    project.apply_until_done(*documents)
    return documents


def test_what_soft_delete_keeps_is_named_when_a_gallery_cannot_go(project: CloudProject, kept: tuple[Any, ...]) -> None:
    told = project.failure(destroy=True)
    assert "corp/ubuntu is not empty: 1.0.0 (soft-deleted, expires on 20" in told
    assert "az sig image-version delete --bypass-soft-delete true" in told
    assert soft_deleted(project) == ["1.0.0"]
    project.world.call("DELETE", VERSION_ID, bypasssoftdelete="true")
    project.destroy()


def test_a_deleted_version_stays_until_somebody_says_that_it_comes_back(
    project: CloudProject, kept: tuple[Any, ...]
) -> None:
    corp, ubuntu, first = kept
    assert project.apply_until_done(corp, ubuntu, allow_loss=(V1,))[V1] == "delete"
    told = project.failure(*kept)
    assert f"a deleted version still has the name {V1}: soft-deleted, expires on 20" in told
    assert "`restore: true`" in told
    assert soft_deleted(project) == ["1.0.0"]

    back = {**first, "restore": True, "tags": {"again": "yes"}, "targetRegions": ["eastus=2", "uksouth"]}
    back["safety"] = {"allowDeletionOfReplicatedLocations": True}
    assert project.apply_until_done(corp, ubuntu, back)[V1] == "create"
    assert soft_deleted(project) == []
    shown = project.world.call("GET", VERSION_ID)
    assert shown["tags"]["again"] == "yes"
    regions = shown["properties"]["publishingProfile"]["targetRegions"]
    assert [(one["name"], one["regionalReplicaCount"]) for one in regions] == [("East US", 2), ("UK South", 1)]


def test_a_version_that_comes_back_keeps_its_regions_unless_they_may_be_removed(
    project: CloudProject, kept: tuple[Any, ...]
) -> None:
    corp, ubuntu, first = kept
    project.apply_until_done(corp, ubuntu, allow_loss=(V1,))
    back = {**first, "restore": True, "targetRegions": ["eastus"]}
    told = project.failure(corp, ubuntu, back)
    assert "was restored with target regions that the manifest does not have: westus" in told
    project.apply_until_done(corp, ubuntu, {**back, "targetRegions": ["eastus", "westus"]})


def test_to_restore_is_to_create_where_nothing_was_deleted(project: CloudProject) -> None:
    source = {"snapshot": project.disk("os", kind="snapshots")}
    documents = gallery(softDeletePolicy=KEPT), definition(), version(source, restore=True)
    assert project.apply_until_done(*documents)[V1] == "create"


def test_a_version_does_not_come_back_as_something_else(project: CloudProject, kept: tuple[Any, ...]) -> None:
    corp, ubuntu, first = kept
    project.apply_until_done(corp, ubuntu, allow_loss=(V1,))
    other = {"snapshot": project.disk("other", kind="snapshots")}
    told = project.failure(corp, ubuntu, {**first, "source": other, "restore": True})
    assert f"{V1} was restored, but differs from the manifest in fixed attributes: source" in told
    assert f"--allow-replace {V1}" in told
    project.apply_until_done(allow_replace=(V1,))
    assert soft_deleted(project) == []


def test_nothing_of_another_comes_back(project: CloudProject, kept: tuple[Any, ...]) -> None:
    corp, ubuntu, first = kept
    project.apply_until_done(corp, ubuntu, allow_loss=(V1,))
    theirs = project.disk("theirs", kind="snapshots")
    project.world.call("DELETE", VERSION_ID, bypasssoftdelete="true")
    body = {"storageProfile": {"osDiskImage": {"source": {"id": theirs}}}}
    project.world.call("PUT", VERSION_ID, {"location": "eastus", "tags": {"of": "them"}, "properties": body})
    project.world.call("DELETE", VERSION_ID)
    told = project.failure(corp, ubuntu, {**first, "restore": True})
    assert "it is not ours" in told
    assert soft_deleted(project) == ["1.0.0"]


def test_a_replaced_version_makes_room_for_the_new_one(project: CloudProject, kept: tuple[Any, ...]) -> None:
    corp, ubuntu, first = kept
    other = {**first, "source": {"snapshot": project.disk("other", kind="snapshots")}}
    assert f"publish 1.0.1 instead, or --allow-replace {V1}" in project.refused(corp, ubuntu, other)
    assert project.apply_until_done(allow_replace=(V1,))[V1] == "replace"
    assert soft_deleted(project) == []


# Attributes.


def test_features_change_in_place_beside_the_flag_that_permits_it(project: CloudProject) -> None:
    accelerated = {"name": "IsAcceleratedNetworkSupported", "value": "False"}
    inside = version({"snapshot": project.disk("os", kind="snapshots")})
    project.apply_until_done(gallery(), definition(features=[accelerated]), inside)
    changed = definition(features=[{**accelerated, "value": "True", "startsAtVersion": "1.1.0"}])
    assert "corp/ubuntu: replacing it would delete 1 published version" in project.refused(gallery(), changed, inside)
    permitted = {**changed, "allowUpdateImage": True}
    assert project.apply_until_done(gallery(), permitted, inside) == {"corp/ubuntu": "update"}
    gone = {**definition(), "allowUpdateImage": True}
    assert "replacing it would delete 1 published version" in project.refused(gallery(), gone, inside)
