"""Galleries: names, locations, writes and deletion."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from support.azure.emulated_service import COMPUTE, GROUP, SUBSCRIPTION, Emulated

from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.gallery.galleries import MOST_IN_REGION

GALLERY = "galleries/corp"


def test_a_gallery_is_made_and_the_first_answer_says_where_to_ask(emulated: Emulated) -> None:
    answer = emulated.put(GALLERY, {"description": "ours"})
    assert (answer.status, answer.body["properties"]["provisioningState"]) == (201, "Creating")
    assert "Location" not in answer.headers
    assert answer.headers["Azure-AsyncOperation"].startswith(f"https://localhost/subscriptions/{SUBSCRIPTION}/")
    assert emulated.status(answer)["status"] == "Succeeded"
    shown = emulated.get(GALLERY)
    assert shown == {
        "id": f"{COMPUTE}/galleries/corp",
        "name": "corp",
        "type": "Microsoft.Compute/galleries",
        "location": "eastus",
        "properties": {
            "description": "ours",
            "identifier": {"uniqueName": f"{SUBSCRIPTION}-CORP"},
            "provisioningState": "Succeeded",
        },
    }


def test_a_put_replaces_and_a_patch_changes_what_it_names(emulated: Emulated) -> None:
    emulated.put(GALLERY, {"description": "ours"}, tags={"team": "a"})
    patched = emulated.send("PATCH", GALLERY, {"tags": {"team": "b"}})
    assert (patched.status, patched.body["properties"]["provisioningState"]) == (200, "Updating")
    assert (emulated.get(GALLERY)["tags"], emulated.properties(GALLERY)["description"]) == ({"team": "b"}, "ours")
    assert emulated.put(GALLERY).status == 200
    assert "tags" not in emulated.get(GALLERY)
    assert "description" not in emulated.properties(GALLERY)


def test_what_a_get_shows_can_be_sent_back(emulated: Emulated) -> None:
    emulated.put(GALLERY, {"description": "ours", "sharingProfile": {"permissions": "Groups"}}, tags={"team": "a"})
    shown = emulated.get(GALLERY)
    emulated.send("PUT", GALLERY, {**shown, "name": "another", "properties": {**shown["properties"], "identifier": {}}})
    assert emulated.get(GALLERY) == shown


@pytest.mark.parametrize("name", ["a", "Corp.1_x", "a" * 80])
def test_names_that_there_are(emulated: Emulated, name: str) -> None:
    assert emulated.put(f"galleries/{name}").status == 201


@pytest.mark.parametrize("name", ["corp-1", "corp_", "corp.", ".corp", "_corp", "a" * 81, "größe", "latest version"])
def test_names_that_there_are_not(emulated: Emulated, name: str) -> None:
    error = emulated.put_refused(f"galleries/{name}")
    assert (error.status, error.code, error.target) == (400, "InvalidResourceName", "name")


def test_a_gallery_stays_where_it_is(emulated: Emulated) -> None:
    emulated.put(GALLERY)
    assert emulated.put(GALLERY, location="East US").status == 200
    moved = emulated.put_refused(GALLERY, location="westus")
    assert (moved.status, moved.code) == (409, "InvalidResourceLocation")
    nowhere = emulated.put_refused("galleries/other", location="atlantis")
    assert (nowhere.status, nowhere.code) == (400, "LocationNotAvailableForResourceType")
    unsaid = emulated.refused("PUT", "galleries/other", {})
    assert (unsaid.status, unsaid.code, unsaid.target) == (400, "InvalidParameter", "gallery.location")


def test_a_name_is_used_once_in_a_subscription(emulated: Emulated) -> None:
    emulated.send("PUT", f"{GROUP}-2", {"location": "eastus"})
    emulated.put(GALLERY)
    error = emulated.put_refused(f"{GROUP}-2/providers/Microsoft.Compute/galleries/CORP")
    assert (error.status, error.code) == (409, "GalleryNameNotUnique")


def test_a_region_holds_so_many(emulated: Emulated) -> None:
    for number in range(MOST_IN_REGION):
        emulated.put(f"galleries/corp{number}")
    error = emulated.put_refused("galleries/toomany")
    assert (error.status, error.code) == (409, "QuotaExceeded")
    assert emulated.put("galleries/elsewhere", location="westus").status == 201
    assert emulated.put("galleries/corp7").status == 200


def test_lists_show_the_group_in_capitals_and_ids_are_found_in_any(emulated: Emulated) -> None:
    emulated.put(GALLERY)
    for path in ("galleries", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/galleries"):
        (listed,) = emulated.get(path)["value"]
        assert listed["id"] == f"{COMPUTE}/galleries/corp".replace("resourceGroups/images", "resourceGroups/IMAGES")
        assert emulated.get(listed["id"].replace("corp", "CORP"))["id"] == f"{COMPUTE}/galleries/corp"


def test_long_lists_come_in_pages(emulated: Emulated) -> None:
    emulated.service.page_size = 2
    names = [f"corp{number}" for number in range(5)]
    for name in names:
        emulated.put(f"galleries/{name}")
    page, seen = emulated.get("galleries"), []
    while link := page.get("nextLink"):
        seen.append([one["name"] for one in page["value"]])
        assert link.startswith(f"https://localhost{COMPUTE}/galleries?api-version=2026-03-03&$skiptoken=")
        page = emulated.get("galleries", **dict(parse_qsl(urlsplit(link).query)))
    assert [*seen, [one["name"] for one in page["value"]]] == [names[:2], names[2:4], names[4:]]


def test_nothing_is_missed_when_others_write_between_two_pages(emulated: Emulated) -> None:
    emulated.service.page_size = 2
    for name in ("a", "b", "c", "d"):
        emulated.put(f"galleries/{name}")
    link = emulated.get("galleries")["nextLink"]
    emulated.send("DELETE", "galleries/a")
    emulated.put("galleries/b2")
    page = emulated.get("galleries", **dict(parse_qsl(urlsplit(link).query)))
    assert [one["name"] for one in page["value"]] == ["b2", "c"]
    assert "nextLink" in page


def test_what_is_missing(emulated: Emulated) -> None:
    elsewhere = f"{GROUP}-none/providers/Microsoft.Compute/galleries/corp"
    for method, path, status, code in (
        ("GET", GALLERY, 404, "ResourceNotFound"),
        ("PATCH", GALLERY, 404, "ResourceNotFound"),
        ("GET", f"{GALLERY}/images", 404, "ResourceNotFound"),
        ("GET", elsewhere, 404, "ResourceGroupNotFound"),
        ("PUT", elsewhere, 404, "ResourceGroupNotFound"),
        ("DELETE", elsewhere, 404, "ResourceGroupNotFound"),
    ):
        error = emulated.refused(method, path, {"location": "eastus"})
        assert (error.status, error.code) == (status, code), (method, path)
    assert emulated.send("DELETE", GALLERY).status == 204


@pytest.mark.parametrize(("name", "value"), [("select", "Everything"), ("expand", "Everything")])
def test_views_that_there_are_not(emulated: Emulated, name: str, value: str) -> None:
    emulated.put(GALLERY)
    error = emulated.refused("GET", GALLERY, **{name: value})
    assert (error.status, error.code, error.target) == (400, "InvalidParameter", f"${name}")


def test_an_identity_is_kept_and_user_identities_go_one_by_one(emulated: Emulated) -> None:
    both = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {"/one": {}, "/two": {}}}
    emulated.put(GALLERY, identity=both)
    principal = emulated.get(GALLERY)["identity"]["principalId"]
    less = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {"/one": None}}
    emulated.send("PATCH", GALLERY, {"identity": less})
    kept = emulated.get(GALLERY)["identity"]
    assert (kept["principalId"], kept["userAssignedIdentities"]) == (principal, {"/two": {}})
    emulated.send("PATCH", GALLERY, {"identity": {"type": "None"}})
    assert "identity" not in emulated.get(GALLERY)


def policy_of(emulated: Emulated) -> Any:
    return emulated.properties(GALLERY).get("softDeletePolicy")


def test_the_days_of_soft_deletion_can_be_set_from_2026_on(emulated: Emulated) -> None:
    days = {"isSoftDeleteEnabled": True, "retentionPeriodInDays": 30, "gracePeriodInDays": 7}
    emulated.send("PUT", GALLERY, body_of(days), api_version="2023-07-03")
    assert policy_of(emulated) is None
    emulated.send("PUT", GALLERY, body_of(days), api_version="2024-03-03")
    assert policy_of(emulated) == {"isSoftDeleteEnabled": True}
    emulated.send("PUT", GALLERY, body_of(days))
    assert policy_of(emulated) == days
    emulated.send("PATCH", GALLERY, body_of({"retentionPeriodInDays": 31}))
    emulated.send(
        "PATCH", GALLERY, body_of({"isSoftDeleteEnabled": False, "gracePeriodInDays": 1}), api_version="2024-03-03"
    )
    assert policy_of(emulated) == {"isSoftDeleteEnabled": False, "retentionPeriodInDays": 31, "gracePeriodInDays": 7}
    emulated.send("PUT", GALLERY, {"location": "eastus"}, api_version="2021-10-01")
    assert policy_of(emulated) is not None
    emulated.put(GALLERY)
    assert policy_of(emulated) is None


def body_of(policy: dict[str, Any]) -> dict[str, Any]:
    return {"location": "eastus", "properties": {"softDeletePolicy": policy}}


def test_a_gallery_goes_when_it_is_empty_and_is_seen_until_then(paced: Emulated) -> None:
    paced.definition()
    paced.clock.advance(60)
    full = paced.refused("DELETE", GALLERY)
    assert (full.status, full.code) == (409, "CannotDeleteResource")
    assert f"{COMPUTE}/galleries/corp/images/ubuntu" in full.message
    paced.send("DELETE", f"{GALLERY}/images/ubuntu")
    paced.clock.advance(5)
    assert paced.get(f"{GALLERY}/images")["value"] == []
    assert paced.refused("DELETE", GALLERY).code == "CannotDeleteResource"
    paced.clock.advance(20)
    going = paced.send("DELETE", GALLERY)
    assert (going.status, going.body) == (202, None)
    assert going.headers["Location"] == f"{going.headers['Azure-AsyncOperation']}&monitor=true"
    assert paced.properties(GALLERY)["provisioningState"] == "Deleting"
    again = paced.send("DELETE", GALLERY)
    assert again.headers["Azure-AsyncOperation"] == going.headers["Azure-AsyncOperation"]
    assert paced.put_refused(GALLERY).status == 409
    assert paced.put_refused(f"{GALLERY}/images/late").status == 409
    paced.clock.advance(5)
    assert paced.status(going)["status"] == "Succeeded"
    assert paced.refused("GET", GALLERY).code == "ResourceNotFound"


def test_one_write_at_a_time(paced: Emulated) -> None:
    paced.put(GALLERY)
    error = paced.put_refused(GALLERY)
    assert (error.status, error.code) == (409, "Conflict")
    paced.clock.advance(2)
    assert paced.put(GALLERY).status == 200


def test_a_parent_can_be_busy_and_unseen_on_demand(emulated: Emulated) -> None:
    emulated.put(GALLERY)
    emulated.faults(Fault("hide-parent", "PUT"), Fault("busy-parent", "DELETE"))
    unseen = emulated.put_refused(f"{GALLERY}/images/ubuntu")
    assert (unseen.status, unseen.code) == (404, "ParentResourceNotFound")
    assert emulated.refused("DELETE", GALLERY).code == "CannotDeleteResource"
    emulated.definition()
    emulated.send("DELETE", f"{GALLERY}/images/ubuntu")
    assert emulated.send("DELETE", GALLERY).status == 202


def test_what_is_over_stays_so_when_the_next_request_is_refused(emulated: Emulated) -> None:
    emulated.put(GALLERY)
    emulated.send("DELETE", GALLERY)
    assert emulated.refused("GET", GALLERY).status == 404
    assert emulated.store.get(f"{COMPUTE}/{GALLERY}") is None
