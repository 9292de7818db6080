"""The subscription, its locations and providers; resource groups and what is in them."""

from __future__ import annotations

from typing import Any

import pytest
from support.azure.emulated_http import BASE_URL, SUB, EmulatorClient, emulator_client, gallery_path

from reconciler.providers.emulator.core.locations import LOCATIONS, display_name, find
from reconciler.providers.emulator.server import SUBSCRIPTION, TENANT

GROUPS = f"{SUB}/resourceGroups"


def names(client: EmulatorClient, path: str, query: str = "") -> list[str]:
    answer = client.ask("GET", path, query=f"api-version=2024-11-01{query}")
    assert answer.status == 200, answer
    return [entry["name"] for entry in answer.body["value"]]


def test_there_is_one_subscription(client: EmulatorClient) -> None:
    (one,) = client.ask("GET", "/subscriptions", query="api-version=2022-12-01").body["value"]
    assert (one["id"], one["subscriptionId"], one["tenantId"]) == (SUB, SUBSCRIPTION, TENANT)
    assert one["state"] == "Enabled"
    assert client.ask("GET", SUB).body == one


def test_there_is_one_tenant(client: EmulatorClient) -> None:
    (one,) = client.ask("GET", "/tenants").body["value"]
    assert one["tenantId"] == TENANT


@pytest.mark.parametrize("below", ["", "/resourceGroups/rg", "/providers/Microsoft.Compute/galleries", "/nothing"])
def test_another_subscription_is_not_found(client: EmulatorClient, below: str) -> None:
    answer = client.ask("GET", f"/subscriptions/99999999-0000-0000-0000-000000000000{below}")
    assert (answer.status, answer.code) == (404, "SubscriptionNotFound")


def test_what_is_no_subscription_is_malformed(client: EmulatorClient) -> None:
    answer = client.ask("GET", "/subscriptions/mine/resourceGroups")
    assert (answer.status, answer.code) == (400, "InvalidSubscriptionId")


def test_locations_are_listed_with_the_names_of_answers(client: EmulatorClient) -> None:
    shown = {one["name"]: one for one in client.ask("GET", f"{SUB}/locations").body["value"]}
    assert shown.keys() == LOCATIONS.keys()
    assert shown["eastus2"]["displayName"] == "East US 2"
    assert shown["eastus2"]["regionalDisplayName"] == "(US) East US 2"
    assert len(shown["eastus2"]["availabilityZoneMappings"]) == 3
    assert "availabilityZoneMappings" not in shown["westus"]


@pytest.mark.parametrize("text", ["eastus2", "East US 2", "EASTUS2", " east us 2 "])
def test_a_region_is_found_in_any_spelling(text: str) -> None:
    found = find(text)
    assert found is not None
    assert display_name(found.name) == "East US 2"


@pytest.mark.parametrize("text", ["", "/", "atlantis", "eastus2 euap"])
def test_what_is_no_region_is_not_found(text: str) -> None:
    assert find(text) is None


def test_resource_providers_are_registered(client: EmulatorClient) -> None:
    answer = client.ask("GET", f"{SUB}/providers/microsoft.compute")
    assert answer.body["registrationState"] == "Registered"
    kinds = {kind["resourceType"]: kind for kind in answer.body["resourceTypes"]}
    assert kinds["galleries/images/versions"]["apiVersions"][0] == "2026-03-03"
    assert "East US" in kinds["galleries"]["locations"]
    assert client.ask("POST", f"{SUB}/providers/Microsoft.Compute/register").body == answer.body
    assert client.ask("GET", f"{SUB}/providers/Microsoft.Nothing").code == "InvalidResourceNamespace"
    assert [one["namespace"] for one in client.ask("GET", f"{SUB}/providers").body["value"]] == [
        "Microsoft.Resources",
        "Microsoft.Compute",
    ]


def test_a_group_is_made_and_found_in_both_spellings(client: EmulatorClient) -> None:
    made = client.ask("PUT", f"{GROUPS}/Images-Rg", {"location": "East US", "tags": {"team": "a"}})
    assert made.status == 201
    assert made.body == {
        "id": f"{GROUPS}/Images-Rg",
        "name": "Images-Rg",
        "type": "Microsoft.Resources/resourceGroups",
        "location": "eastus",
        "tags": {"team": "a"},
        "properties": {"provisioningState": "Succeeded"},
    }
    found = client.ask("GET", f"{SUB}/resourcegroups/images-rg", query="api-version=2024-11-01")
    assert (found.status, found.body) == (200, made.body)


def test_a_group_written_again_has_the_tags_of_the_last_time(client: EmulatorClient) -> None:
    client.group("rg")
    again = client.ask("PUT", f"{GROUPS}/rg", {"location": "eastus", "tags": {"a": "1"}})
    assert (again.status, again.body["tags"]) == (200, {"a": "1"})
    assert "tags" not in client.group("rg").body


def test_a_patch_changes_tags_alone(client: EmulatorClient) -> None:
    client.ask("PUT", f"{GROUPS}/rg", {"location": "eastus", "tags": {"a": "1"}})
    assert client.ask("PATCH", f"{GROUPS}/rg", {}).body["tags"] == {"a": "1"}
    assert client.ask("PATCH", f"{GROUPS}/rg", {"tags": {"b": "2"}}).body["tags"] == {"b": "2"}
    assert client.ask("GET", f"{GROUPS}/rg").body["tags"] == {"b": "2"}
    assert client.ask("PATCH", f"{GROUPS}/other", {}).code == "ResourceGroupNotFound"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "LocationRequired"),
        ({"location": "atlantis"}, 400, "LocationNotAvailableForResourceGroup"),
        ({"location": "westus"}, 409, "InvalidResourceGroupLocation"),
        ({"location": 1}, 400, "InvalidParameter"),
        ({"location": "eastus", "tags": {"a": 1}}, 400, "InvalidParameter"),
    ],
)
def test_a_group_needs_its_location(client: EmulatorClient, body: Any, status: int, code: str) -> None:
    client.group("rg")
    answer = client.ask("PUT", f"{GROUPS}/rg", body)
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("a", 201),
        ("é(1)._-x", 201),
        ("a" * 90, 201),
        ("a" * 91, 400),
        ("a.", 400),
        ("a b", 400),
        ("a;", 400),
        ("😀", 400),
    ],
)
def test_names_of_groups(client: EmulatorClient, name: str, status: int) -> None:
    assert client.ask("PUT", f"{GROUPS}/{name}", {"location": "eastus"}).status == status


def test_whether_a_group_is_there_is_answered_without_a_body(client: EmulatorClient) -> None:
    client.group("rg")
    here, gone = client.ask("HEAD", f"{GROUPS}/rg"), client.ask("HEAD", f"{GROUPS}/other")
    assert (here.status, here.body) == (204, None)
    assert gone.status == 404


def test_groups_are_listed_and_chosen_by_tag(client: EmulatorClient) -> None:
    client.ask("PUT", f"{GROUPS}/one", {"location": "eastus", "tags": {"Team": "it's"}})
    client.ask("PUT", f"{GROUPS}/two", {"location": "eastus", "tags": {"team": "b"}})
    client.group("three")
    assert names(client, GROUPS) == ["one", "three", "two"]
    assert names(client, GROUPS, "&$filter=tagName%20eq%20'team'") == ["one", "two"]
    assert names(client, GROUPS, "&$filter=tagName%20eq%20'team'%20and%20tagValue%20eq%20'it''s'") == ["one"]


def test_long_lists_come_in_pages(client: EmulatorClient) -> None:
    client.pipeline.service.page_size = 2
    for name in ("a", "b", "c"):
        client.group(name)
    first = client.ask("GET", GROUPS)
    rest = first.body["nextLink"].removeprefix(BASE_URL).partition("?")
    last = client.ask("GET", rest[0], query=rest[2])
    assert [entry["name"] for entry in first.body["value"] + last.body["value"]] == ["a", "b", "c"]
    assert "nextLink" not in last.body


def test_a_group_goes_with_everything_in_it(client: EmulatorClient) -> None:
    client.group("rg")
    client.group("rg2")
    client.gallery("corp", "rg")
    client.gallery("other", "rg2")
    answer = client.ask("DELETE", f"{GROUPS}/RG")
    assert (answer.status, answer.body) == (202, None)
    poll = answer.headers["location"].removeprefix(BASE_URL).partition("?")
    assert client.ask("GET", poll[0], query=poll[2]).status == 200
    assert client.ask("GET", f"{GROUPS}/rg").code == "ResourceGroupNotFound"
    assert client.ask("GET", gallery_path("corp", "rg")).status == 404
    assert client.ask("GET", gallery_path("other", "rg2")).status == 200
    assert client.ask("DELETE", f"{GROUPS}/rg").status == 404
    client.group("rg")
    assert client.gallery("corp", "rg").status == 201


def test_a_group_that_is_going_takes_nothing(tmp_path: Any) -> None:
    with emulator_client(tmp_path, scale=1) as client:
        client.group("rg")
        first = client.ask("DELETE", f"{GROUPS}/rg")
        assert client.ask("GET", f"{GROUPS}/rg").body["properties"]["provisioningState"] == "Deleting"
        assert client.gallery("corp", "rg").code == "ResourceGroupBeingDeleted"
        assert client.group("rg").code == "ResourceGroupBeingDeleted"
        again = client.ask("DELETE", f"{GROUPS}/rg")
        assert again.headers["location"] == first.headers["location"]
        poll = first.headers["location"].removeprefix(BASE_URL).partition("?")
        waiting = client.ask("GET", poll[0], query=poll[2])
        assert (waiting.status, int(waiting.headers["retry-after"])) == (202, 15)
        client.clock.advance(15)
        assert client.ask("GET", poll[0], query=poll[2]).status == 200


def test_an_operation_that_never_was_is_not_found(client: EmulatorClient) -> None:
    assert client.ask("GET", f"{SUB}/operationresults/none").code == "OperationNotFound"


def test_resources_are_listed_by_type_name_group_and_place(client: EmulatorClient) -> None:
    client.group("rg")
    client.group("rg2", "West US")
    client.gallery("corp", "rg")
    client.gallery("other", "rg2")
    everywhere, inside = f"{SUB}/resources", f"{GROUPS}/rg/resources"
    assert names(client, everywhere) == ["corp", "other"]
    assert names(client, inside) == ["corp"]
    kind = "&$filter=resourceType%20eq%20'microsoft.compute/GALLERIES'"
    assert names(client, everywhere, kind) == ["corp", "other"]
    assert names(client, everywhere, f"{kind}%20and%20name%20eq%20'Corp'") == ["corp"]
    assert names(client, everywhere, "&$filter=resourceGroup%20eq%20'RG2'") == ["other"]
    assert names(client, everywhere, "&$filter=location%20eq%20'East%20US'") == ["corp", "other"]
    assert names(client, everywhere, "&$filter=location%20eq%20'westus'") == []
    assert names(client, everywhere, "&$filter=resourceType%20eq%20'Microsoft.Compute/disks'") == []
    assert client.ask("GET", f"{GROUPS}/none/resources").code == "ResourceGroupNotFound"


@pytest.mark.parametrize("text", ["name", "name%20ne%20'a'", "name%20eq%20'a'%20or%20name%20eq%20'b'", "x%20eq%20'a'"])
def test_a_filter_that_is_not_understood_is_refused(client: EmulatorClient, text: str) -> None:
    answer = client.ask("GET", f"{SUB}/resources", query=f"api-version=2024-11-01&$filter={text}")
    assert (answer.status, answer.code) == (400, "InvalidFilterInQueryString")
