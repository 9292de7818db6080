"""Image versions: defaults, changes, refusals and deletion."""

from __future__ import annotations

from typing import Any

import pytest
from support.azure.emulated_service import COMPUTE, DEFINITION, Emulated, version_properties

from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.gallery.versions import MOST_IN_REGION

VERSION = f"{DEFINITION}/versions/1.0.0"
PROFILE = "galleryImageVersion.properties.publishingProfile"
EAST: dict[str, Any] = {"name": "eastus"}
KEYS = "/providers/Microsoft.Compute/diskEncryptionSets/keys"


@pytest.fixture(autouse=True)
def source(emulated: Emulated) -> dict[str, Any]:
    emulated.definition()
    return {"osDiskImage": {"source": {"id": emulated.disk("os", size_gb=40)}}}


@pytest.fixture
def made(emulated: Emulated, source: dict[str, Any]) -> dict[str, Any]:
    """A version in two regions as a GET shows it; one of them may be removed."""
    regions = [EAST, {"name": "westus", "regionalReplicaCount": 2}]
    safety = {"allowDeletionOfReplicatedLocations": True}
    emulated.put(VERSION, {**version_properties(source, targetRegions=regions), "safetyProfile": safety})
    return emulated.get(VERSION)


def regions_of(emulated: Emulated) -> list[str]:
    return [region["name"] for region in emulated.properties(VERSION)["publishingProfile"]["targetRegions"]]


def test_what_is_known_only_when_it_is_done(emulated: Emulated, source: dict[str, Any]) -> None:
    first = emulated.put(VERSION, version_properties(source))
    assert (first.status, first.body["properties"]["provisioningState"]) == (201, "Creating")
    assert "Location" not in first.headers
    assert "sizeInGB" not in first.body["properties"]["storageProfile"]["osDiskImage"]
    assert "validationsProfile" not in first.body["properties"]
    done = emulated.get(VERSION)
    assert "tags" not in done
    properties = done["properties"]
    published = properties["publishingProfile"].pop("publishedDate")
    assert properties == {
        "publishingProfile": {
            "replicaCount": 1,
            "excludeFromLatest": False,
            "storageAccountStrategy": "PreferStandard_ZRS",
            "targetRegions": [
                {"name": "East US", "regionalReplicaCount": 1, "storageAccountType": "Standard_ZRS"},
            ],
        },
        "storageProfile": {"osDiskImage": {"sizeInGB": 40, "hostCaching": "ReadWrite", **source["osDiskImage"]}},
        "safetyProfile": {"reportedForPolicyViolation": False, "allowDeletionOfReplicatedLocations": False},
        "validationsProfile": {
            "executedValidations": [{"type": "TrustedLaunchValidation", "status": "NotExecuted"}],
        },
        "provisioningState": "Succeeded",
    }
    emulated.clock.advance(60)
    again = emulated.send("PUT", VERSION, done)
    assert (again.status, again.body["properties"]["provisioningState"]) == (200, "Updating")
    assert "validationsProfile" not in again.body["properties"]
    assert again.body["properties"]["publishingProfile"]["publishedDate"] == published


@pytest.mark.parametrize(
    ("api_version", "profile", "kinds"),
    [
        ("2021-10-01", {}, ["Standard_LRS", "Standard_LRS"]),
        ("2024-03-03", {"storageAccountStrategy": "PreferStandard_ZRS"}, ["Standard_LRS", "Standard_LRS"]),
        ("2025-03-03", {}, ["Standard_ZRS", "Standard_LRS"]),
        ("2026-03-03", {"storageAccountStrategy": "defaultstandard_lrs"}, ["Standard_LRS", "Standard_LRS"]),
        ("2026-03-03", {"storageAccountType": "premium_lrs"}, ["Premium_LRS", "Premium_LRS"]),
    ],
)
def test_storage_goes_by_api_version_strategy_and_zones(
    emulated: Emulated, source: dict[str, Any], api_version: str, profile: dict[str, Any], kinds: list[str]
) -> None:
    sent = version_properties(source, targetRegions=[EAST, {"name": "West US"}], **profile)
    emulated.send("PUT", VERSION, {"location": "eastus", "properties": sent}, api_version=api_version)
    shown = emulated.properties(VERSION)
    assert [one["storageAccountType"] for one in shown["publishingProfile"]["targetRegions"]] == kinds
    assert ("safetyProfile" in shown) == (api_version >= "2024-03-03")


def test_what_was_sent_comes_back_and_nothing_else(emulated: Emulated, source: dict[str, Any]) -> None:
    regions = [{**EAST, "excludeFromLatest": False}, {"name": "WEST US", "storageAccountType": "premium_lrs"}]
    sent = {"replicationMode": "Full", "replicaCount": 3, "endOfLifeDate": "2030-01-01T12:59:59.000Z"}
    emulated.put(VERSION, version_properties(source, targetRegions=regions, **sent))
    profile = emulated.properties(VERSION)["publishingProfile"]
    assert {name: profile[name] for name in sent} == {**sent, "endOfLifeDate": "2030-01-01T12:59:59+00:00"}
    assert profile["targetRegions"] == [
        {
            "name": "East US",
            "regionalReplicaCount": 3,
            "storageAccountType": "Standard_ZRS",
            "excludeFromLatest": False,
        },
        {"name": "West US", "regionalReplicaCount": 3, "storageAccountType": "Premium_LRS"},
    ]


@pytest.mark.parametrize(
    ("sent", "target"),
    [
        ({"targetRegions": []}, "targetRegions"),
        ({"targetRegions": [{"name": "westus"}]}, "targetRegions"),
        ({"targetRegions": [EAST, {"name": "East US"}]}, "targetRegions"),
        ({"targetRegions": [EAST, {"name": "atlantis"}]}, "targetRegions[1].name"),
        ({"targetRegions": [{**EAST, "regionalReplicaCount": 0}]}, "targetRegions[0].regionalReplicaCount"),
        ({"targetRegions": [{**EAST, "regionalReplicaCount": 101}]}, "targetRegions[0].regionalReplicaCount"),
        ({"targetRegions": [EAST, {"name": "westus"}], "replicaCount": 51}, "targetRegions"),
        ({"targetRegions": [{**EAST, "storageAccountType": "Tape"}]}, "targetRegions[0].storageAccountType"),
        (
            {"targetRegions": [EAST, {"name": "westus", "storageAccountType": "Standard_ZRS"}]},
            "targetRegions[1].storageAccountType",
        ),
        (
            {"storageAccountType": "Standard_LRS", "storageAccountStrategy": "DefaultStandard_LRS"},
            "storageAccountStrategy",
        ),
        ({"endOfLifeDate": "2020-01-01T00:00:00Z"}, "endOfLifeDate"),
        ({"replicationMode": "Shallow", "targetRegions": [EAST, {"name": "westus"}]}, "replicationMode"),
        ({"replicationMode": "Shallow", "replicaCount": 2}, "replicationMode"),
        (
            {"targetRegions": [{**EAST, "encryption": {"osDiskImage": {"diskEncryptionSetId": "keys"}}}]},
            "targetRegions[0].encryption.osDiskImage.diskEncryptionSetId",
        ),
    ],
)
def test_what_is_refused_names_its_property(
    emulated: Emulated, source: dict[str, Any], sent: dict[str, Any], target: str
) -> None:
    error = emulated.put_refused(VERSION, version_properties(source, **sent))
    assert (error.status, error.code, error.target) == (400, "InvalidParameter", f"{PROFILE}.{target}")
    assert emulated.refused("GET", VERSION).code == "ResourceNotFound"


def encrypted(region: str, group: str) -> dict[str, Any]:
    return {"name": region, "encryption": {"osDiskImage": {"diskEncryptionSetId": f"{group}{KEYS}"}}}


def test_keys_are_of_the_subscription_in_all_regions_and_stay(emulated: Emulated, source: dict[str, Any]) -> None:
    ours, foreign = (
        COMPUTE.partition("/providers")[0],
        "/subscriptions/22222222-0000-0000-0000-000000000000/resourceGroups/x",
    )
    for regions in ([encrypted("eastus", foreign)], [encrypted("eastus", ours), {"name": "westus"}]):
        error = emulated.put_refused(VERSION, version_properties(source, targetRegions=regions))
        assert (error.code, error.target) == ("InvalidParameter", f"{PROFILE}.targetRegions")
    emulated.put(VERSION, version_properties(source, targetRegions=[encrypted("eastus", ours)]))
    error = emulated.put_refused(VERSION, version_properties({}, targetRegions=[EAST]))
    assert (error.status, error.code) == (409, "PropertyChangeNotAllowed")


@pytest.mark.parametrize("name", ["1.0", "1.0.0.0", "v1.0.0", "latest", "1.0.-1", "1.0.2147483648", "1.0.٣"])
def test_versions_are_three_numbers(emulated: Emulated, source: dict[str, Any], name: str) -> None:
    assert emulated.put_refused(f"{DEFINITION}/versions/{name}", version_properties(source)).status == 400


def test_a_version_needs_its_parent_and_a_source(emulated: Emulated, source: dict[str, Any]) -> None:
    orphan = emulated.put_refused(f"{DEFINITION}2/versions/1.0.0", version_properties(source))
    assert (orphan.status, orphan.code) == (404, "ParentResourceNotFound")
    nothing: tuple[dict[str, Any], ...] = ({}, {"storageProfile": {}})
    for properties in nothing:
        error = emulated.put_refused(VERSION, properties)
        assert (error.status, error.target) == (400, "galleryImageVersion.properties.storageProfile")


def test_regions_are_replaced_as_a_whole_and_sources_stay(emulated: Emulated, made: dict[str, Any]) -> None:
    assert regions_of(emulated) == ["East US", "West US"]
    body = {"publishingProfile": {"targetRegions": [EAST, {"name": "North Europe"}]}, "storageProfile": {}}
    emulated.put(VERSION, body)
    assert regions_of(emulated) == ["East US", "North Europe"]
    shown = emulated.properties(VERSION)
    assert shown["storageProfile"] == made["properties"]["storageProfile"]
    assert shown["publishingProfile"]["publishedDate"] == made["properties"]["publishingProfile"]["publishedDate"]
    emulated.put(VERSION, {})
    assert regions_of(emulated) == ["East US", "North Europe"]


def test_what_a_get_shows_can_be_sent_back(emulated: Emulated, made: dict[str, Any]) -> None:
    emulated.send("PUT", VERSION, emulated.get(VERSION, expand="ReplicationStatus"))
    assert emulated.get(VERSION) == made


def test_a_patch_changes_what_it_names(emulated: Emulated, made: dict[str, Any]) -> None:
    profile = {"publishingProfile": {"excludeFromLatest": True}}
    answer = emulated.send("PATCH", VERSION, {"tags": {"a": "b"}, "properties": profile})
    assert (answer.status, answer.body["properties"]["provisioningState"]) == (200, "Updating")
    made["properties"]["publishingProfile"]["excludeFromLatest"] = True
    assert emulated.get(VERSION) == {**made, "tags": {"a": "b"}}
    emulated.put(VERSION, {"storageProfile": {}})
    assert "tags" not in emulated.get(VERSION)
    assert emulated.properties(VERSION)["publishingProfile"]["excludeFromLatest"] is False


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"publishingProfile": {"replicationMode": "Shallow"}}, "replicationMode"),
        ({"publishingProfile": {"storageAccountStrategy": "DefaultStandard_LRS"}}, "storageAccountStrategy"),
        ({"publishingProfile": {"storageAccountType": "Premium_LRS"}}, "East US"),
        (
            {"publishingProfile": {"targetRegions": [{**EAST, "storageAccountType": "Premium_LRS"}]}},
            "region 'East US' cannot change from 'Standard_ZRS' to 'Premium_LRS'",
        ),
        ({"storageProfile": {"source": {"id": f"{COMPUTE}/images/other"}}}, "storageProfile.source"),
        ({"storageProfile": {"osDiskImage": {"source": {"id": f"{COMPUTE}/disks/other"}}}}, "osDiskImage.source"),
        ({"storageProfile": {"osDiskImage": {"hostCaching": "None"}}}, "osDiskImage.hostCaching"),
        ({"storageProfile": {"dataDiskImages": [{"lun": 0}]}}, "dataDiskImages[0].lun"),
        ({"securityProfile": {"uefiSettings": {"signatureTemplateNames": []}}}, "securityProfile"),
    ],
)
def test_what_is_said_once(emulated: Emulated, made: dict[str, Any], sent: dict[str, Any], told: str) -> None:
    error = emulated.refused("PATCH", VERSION, {"properties": sent})
    assert (error.status, error.code) == (409, "PropertyChangeNotAllowed")
    assert told in error.message
    assert emulated.get(VERSION) == made


def test_a_strategy_is_not_put_beside_a_type(emulated: Emulated, source: dict[str, Any]) -> None:
    emulated.put(VERSION, version_properties(source, storageAccountType="Standard_LRS"))
    sent = {"publishingProfile": {"storageAccountStrategy": "DefaultStandard_LRS"}}
    error = emulated.refused("PATCH", VERSION, {"properties": sent})
    assert (error.code, error.target) == ("PropertyChangeNotAllowed", f"{PROFILE}.storageAccountStrategy")


def test_a_version_is_not_moved(emulated: Emulated, made: dict[str, Any]) -> None:
    error = emulated.put_refused(VERSION, {"storageProfile": {}}, location="westus")
    assert (error.status, error.code) == (409, "InvalidResourceLocation")
    assert emulated.put(VERSION, made["properties"], location="East US").status == 200


def test_a_region_is_left_only_with_leave(emulated: Emulated, source: dict[str, Any]) -> None:
    emulated.put(VERSION, version_properties(source, targetRegions=[EAST, {"name": "westus"}]))
    smaller = {"publishingProfile": {"targetRegions": [EAST]}}
    error = emulated.refused("PATCH", VERSION, {"properties": smaller})
    assert (error.status, error.target) == (409, f"{PROFILE}.targetRegions")
    assert "West US" in error.message
    leave = {"safetyProfile": {"allowDeletionOfReplicatedLocations": True}}
    emulated.send("PATCH", VERSION, {"properties": leave})
    emulated.send("PATCH", VERSION, {"properties": smaller})
    assert regions_of(emulated) == ["East US"]


def test_a_version_can_be_kept_until_its_end_of_life(emulated: Emulated, source: dict[str, Any]) -> None:
    block = {"safetyProfile": {"blockDeletionBeforeEndOfLife": True}}
    emulated.put(VERSION, {**version_properties(source, endOfLifeDate="2030-01-01T00:00:00Z"), **block})
    error = emulated.refused("DELETE", VERSION)
    assert (error.status, error.code) == (409, "DeleteGalleryImageVersionBlockedBeforeEndOfLife")
    emulated.clock.advance(10 * 365 * 86_400)
    assert emulated.send("DELETE", VERSION).status == 202
    endless = f"{DEFINITION}/versions/2.0.0"
    emulated.put(endless, {**version_properties(source), **block})
    assert emulated.send("DELETE", endless).status == 202


def test_settings_of_the_firmware_are_shown_when_asked_for(emulated: Emulated, source: dict[str, Any]) -> None:
    security = {"uefiSettings": {"signatureTemplateNames": ["NoSignatureTemplate"]}}
    emulated.put(VERSION, {**version_properties(source), "securityProfile": security})
    assert "securityProfile" not in emulated.properties(VERSION)
    assert emulated.properties(VERSION, expand="UefiSettings")["securityProfile"] == security
    assert "replicationStatus" not in emulated.properties(VERSION, expand="uefisettings")
    assert emulated.refused("GET", VERSION, expand="Everything").status == 400


def test_another_client_can_change_the_regions_between_two_calls(emulated: Emulated, made: dict[str, Any]) -> None:
    emulated.faults(Fault("edit-regions", "PATCH", regions=("eastus", "northeurope")))
    emulated.send("PATCH", VERSION, {"tags": {"a": "b"}})
    assert regions_of(emulated) == ["East US", "North Europe"]
    summary = emulated.properties(VERSION, expand="ReplicationStatus")["replicationStatus"]["summary"]
    assert [one["region"] for one in summary] == ["East US", "North Europe"]


def test_lists_keep_the_group_as_it_is(emulated: Emulated, made: dict[str, Any]) -> None:
    assert emulated.get(f"{DEFINITION}/versions")["value"] == [made]


def test_a_region_holds_so_many(emulated: Emulated, source: dict[str, Any]) -> None:
    with emulated.store.transaction():
        for number in range(MOST_IN_REGION):
            path = f"{DEFINITION}/versions/2.0.{number}"
            kind = "microsoft.compute/galleries/images/versions"
            emulated.store.put(Resource(path, kind, DEFINITION, {"id": path}, {"region": "eastus"}))
    error = emulated.put_refused(VERSION, version_properties(source))
    assert (error.status, error.code) == (409, "QuotaExceeded")
