"""Every request is checked in the same way, for a token, an api-version, faults and budgets, and is logged."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path
from typing import Any

import pytest
from support.azure.emulated_http import BASE_URL, SUB, EmulatorClient, emulator_client, gallery_path

from reconciler.providers.emulator.core.api_versions import GALLERY_VERSIONS
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.http.request_pipeline import ConnectionClosed
from reconciler.providers.emulator.server import SUBSCRIPTION, TENANT

FAULTS, REQUESTS = "/emulator/faults", "/emulator/requests"


@pytest.mark.parametrize("path", [SUB, "/subscriptions", "/nothing", FAULTS, "/emulator/openapi.json"])
def test_nothing_is_revealed_without_a_token(client: EmulatorClient, path: str) -> None:
    answer = client.ask("GET", path, token="")
    assert (answer.status, answer.code) == (401, "AuthenticationFailed")
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith(f'Bearer authorization_uri="{BASE_URL}/{TENANT}"')


def test_a_token_that_is_over_is_refused(client: EmulatorClient) -> None:
    client.clock.advance(3600)
    assert client.ask("GET", SUB).code == "ExpiredAuthenticationToken"


@pytest.mark.parametrize("version", GALLERY_VERSIONS)
def test_galleries_have_their_api_versions(client: EmulatorClient, version: str) -> None:
    client.group()
    client.gallery()
    assert client.ask("GET", gallery_path(), query=f"api-version={version}").status == 200


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        (gallery_path(), "", "MissingApiVersionParameter"),
        (gallery_path(), "api-version=", "MissingApiVersionParameter"),
        (gallery_path(), "api-version=2026-03-04", "NoRegisteredProviderFound"),
        (gallery_path(), "api-version=2026-03-03-preview", "NoRegisteredProviderFound"),
        (gallery_path() + "/images/a", "api-version=latest", "NoRegisteredProviderFound"),
        (f"{SUB}/resourceGroups", "api-version=latest", "InvalidApiVersionParameter"),
        (f"{SUB}/resourceGroups", "api-version=2024-13-01", "InvalidApiVersionParameter"),
        (f"{SUB}/resourceGroups", "api-version=2024-11-01&api-version=2024-11-01", "InvalidQueryParameter"),
    ],
)
def test_an_api_version_that_is_none_is_refused(client: EmulatorClient, path: str, query: str, code: str) -> None:
    answer = client.ask("GET", path, query=query)
    assert (answer.status, answer.code) == (400, code)


def test_a_refused_api_version_names_those_that_there_are(client: EmulatorClient) -> None:
    answer = client.ask("GET", gallery_path(), query="api-version=2000-01-01")
    assert all(version in answer.body["error"]["message"] for version in GALLERY_VERSIONS)


def test_other_types_take_any_date(client: EmulatorClient) -> None:
    assert client.ask("GET", f"{SUB}/resourceGroups", query="api-version=2031-01-02-preview").status == 200


def test_answers_have_ids_of_their_own(client: EmulatorClient) -> None:
    one, other = client.ask("GET", SUB).headers, client.ask("GET", "/nothing").headers
    assert uuid.UUID(one["x-ms-request-id"]) != uuid.UUID(other["x-ms-request-id"])
    assert one["x-ms-correlation-request-id"] == one["x-ms-request-id"]
    assert one["cache-control"] == other["cache-control"] == "no-cache"


def test_the_ids_of_clients_come_back(client: EmulatorClient) -> None:
    sent = {"x-ms-client-request-id": "mine", "x-ms-correlation-request-id": "ours"}
    headers = client.ask("GET", SUB, headers=sent).headers
    assert (headers["x-ms-client-request-id"], headers["x-ms-correlation-request-id"]) == ("mine", "ours")


@pytest.mark.parametrize("value", ["a\r\nb: c", "é", "x" * 200, ""])
def test_an_id_that_cannot_come_back_does_not(client: EmulatorClient, value: str) -> None:
    assert "x-ms-client-request-id" not in client.ask("GET", SUB, headers={"x-ms-client-request-id": value}).headers


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "get", "BREW", "x" * 100])
def test_methods_that_there_are_not(client: EmulatorClient, method: str) -> None:
    answer = client.ask(method, SUB)
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("method", ["HEAD", "PATCH"])
def test_methods_that_a_resource_does_not_have(client: EmulatorClient, method: str) -> None:
    answer = client.ask(method, f"{SUB}/locations", {})
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_a_body_that_is_no_json_is_refused(client: EmulatorClient) -> None:
    client.group()
    answer = client.ask("PUT", gallery_path(), b"{")
    assert (answer.status, answer.code) == (400, "InvalidRequestContent")


def test_a_bug_is_logged_and_reported(
    client: EmulatorClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(client.pipeline.service, "handle", broken)
    with caplog.at_level(logging.ERROR):
        answer = client.ask("GET", SUB)
    assert (answer.status, answer.code) == (500, "InternalServerError")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_budgets_are_spent_by_route(tmp_path: Path) -> None:
    with emulator_client(tmp_path, budgets=True) as client:
        client.group()
        first = client.gallery("corp")
        assert first.headers["x-ms-ratelimit-remaining-resource"] == (
            "Microsoft.Compute/CreateUpdateGallery3Min;49,Microsoft.Compute/CreateUpdateGallery30Min;299"
        )
        missing = client.ask("GET", gallery_path("none"))
        assert missing.status == 404
        assert "GetGallery3Min;349" in missing.headers["x-ms-ratelimit-remaining-resource"]
        for _ in range(49):
            client.gallery("corp")
        refused = client.gallery("corp")
        assert (refused.status, refused.code) == (429, "TooManyRequests")
        client.clock.advance(int(refused.headers["retry-after"]))
        client.token = client.pipeline.tokens.issue(BASE_URL)
        assert client.gallery("corp").status == 200


def test_without_budgets_nothing_is_said_of_them(client: EmulatorClient) -> None:
    client.group()
    assert "x-ms-ratelimit-remaining-resource" not in client.gallery().headers


def test_an_error_on_demand_keeps_everything_as_it_is(client: EmulatorClient) -> None:
    client.group()
    client.faults(Fault("error", method="PUT", path="*/galleries/*", status=503, code="ServiceUnavailable"))
    answer = client.gallery()
    assert (answer.status, answer.code) == (503, "ServiceUnavailable")
    assert client.ask("GET", gallery_path()).status == 404
    assert client.gallery().status == 201


def test_throttling_on_demand_says_when_to_come_again(client: EmulatorClient) -> None:
    client.faults(Fault("throttle", seconds=1.2, times=2))
    for _ in range(2):
        answer = client.ask("GET", SUB)
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (429, "TooManyRequests", "2")
    assert client.ask("GET", SUB).status == 200


def test_a_token_can_end_on_demand(client: EmulatorClient) -> None:
    client.faults(Fault("expire-token", skip=1))
    assert client.ask("GET", SUB).status == 200
    answer = client.ask("GET", SUB)
    assert (answer.status, answer.code) == (401, "ExpiredAuthenticationToken")
    assert "www-authenticate" in answer.headers
    assert client.ask("GET", SUB).status == 200


def test_a_dropped_request_does_nothing(client: EmulatorClient) -> None:
    client.faults(Fault("drop", method="PUT"))
    with pytest.raises(ConnectionClosed):
        client.group()
    assert client.ask("GET", f"{SUB}/resourceGroups/rg").status == 404


def test_a_lost_answer_is_to_something_done(client: EmulatorClient) -> None:
    client.faults(Fault("lose-answer", method="PUT"))
    with pytest.raises(ConnectionClosed):
        client.group()
    assert client.ask("GET", f"{SUB}/resourceGroups/rg").status == 200


def test_the_answer_to_a_refusal_can_be_lost_too(client: EmulatorClient) -> None:
    client.faults(Fault("lose-answer"))
    with pytest.raises(ConnectionClosed):
        client.ask("GET", f"{SUB}/resourceGroups/none")


def test_faults_do_not_touch_logins_nor_their_own_removal(client: EmulatorClient) -> None:
    client.faults(Fault("error", times=0))
    assert client.ask("GET", "/metadata/endpoints", query="api-version=2022-09-01", token="").status == 200
    assert client.ask("GET", SUB).status == 500
    assert client.ask("DELETE", FAULTS, query="").status == 204
    assert client.ask("GET", SUB).status == 200


def test_faults_are_set_and_shown(client: EmulatorClient) -> None:
    answer = client.ask("PUT", FAULTS, [{"action": "error", "path": "*/galleries", "times": 2}], query="")
    assert answer.status == 200
    (shown,) = client.ask("GET", FAULTS, query="").body
    assert (shown["action"], shown["path"], shown["times"], shown["seen"]) == ("error", "*/galleries", 2, 0)
    client.ask("GET", f"{SUB}/providers/Microsoft.Compute/galleries")
    assert client.ask("GET", FAULTS, query="").body[0]["seen"] == 1


@pytest.mark.parametrize(
    "body", [b"{}", b"[{}]", b'[{"action": "explode"}]', b'[{"action": "drop", "x": 1}]', b"[", b""]
)
def test_faults_that_are_none_are_refused(client: EmulatorClient, body: bytes) -> None:
    answer = client.ask("PUT", FAULTS, body, query="")
    assert (answer.status, answer.code) == (400, "InvalidRequestContent")


def test_what_is_stuck_ends_when_nothing_makes_it_stick(client: EmulatorClient) -> None:
    client.group()
    client.faults(Fault("stick", path="*/galleries/corp"))
    made = client.gallery()
    poll = made.headers["azure-asyncoperation"].removeprefix(BASE_URL).partition("?")

    def status() -> str:
        return str(client.ask("GET", poll[0], query=poll[2]).body["status"])

    client.clock.advance(1000)
    assert status() == "InProgress"
    client.ask("PUT", FAULTS, [{"action": "stick", "path": "*/other"}], query="")
    assert status() == "InProgress"
    client.ask("PUT", FAULTS, [{"action": "error", "path": "*/other"}], query="")
    assert status() == "Succeeded"
    assert client.ask("GET", gallery_path()).body["properties"]["provisioningState"] == "Succeeded"


def test_requests_are_counted_by_what_they_do(client: EmulatorClient) -> None:
    client.group()
    client.gallery()
    client.gallery()
    client.ask("GET", gallery_path("none"))
    client.ask("GET", "/nothing")
    client.faults(Fault("drop"))
    with pytest.raises(ConnectionClosed):
        client.ask("GET", SUB)
    shown = client.ask("GET", REQUESTS, query="").body
    assert shown["total"] == 6
    assert {(one["name"], one["method"]): one["count"] for one in shown["counts"]} == {
        ("write resource group", "PUT"): 1,
        ("write gallery", "PUT"): 2,
        ("read gallery", "GET"): 1,
        ("no route", "GET"): 1,
        ("read subscription", "GET"): 1,
    }
    assert [one["status"] for one in shown["last"]] == [201, 201, 200, 404, 404, 0]
    assert shown["last"][-1]["url"] == f"{SUB}?api-version=2026-03-03"


def test_counting_begins_again(client: EmulatorClient) -> None:
    client.ask("GET", SUB)
    assert client.ask("DELETE", REQUESTS, query="").status == 204
    assert client.ask("GET", REQUESTS, query="").body == {"total": 0, "counts": [], "last": []}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", FAULTS, 405), ("GET", "/emulator", 404), ("GET", "/emulator/x", 404)]
)
def test_what_there_is_not_below_emulator(client: EmulatorClient, method: str, path: str, status: int) -> None:
    assert client.ask(method, path, {}, query="").status == status


def test_the_description_has_every_route(client: EmulatorClient) -> None:
    shown = client.ask("GET", "/emulator/openapi.json", query="").body
    assert shown["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, methods in shown["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in client.pipeline.service.handlers.routes}
    gallery = shown["paths"][gallery_path("{gallery}", "{rg}").replace(SUBSCRIPTION, "{sub}")]
    assert [parameter["name"] for parameter in gallery["get"]["parameters"]] == [
        "sub",
        "rg",
        "gallery",
        "api-version",
        "$select",
        "$expand",
    ]
    assert gallery["put"]["requestBody"]["content"]["application/json"]["schema"]["required"] == ["location"]
    identifiers = [operation["operationId"] for methods in shown["paths"].values() for operation in methods.values()]
    assert len(set(identifiers)) == len(identifiers)
