"""Every request meets the same door: a token, an api-version, the faults that are set, the budgets; and is counted."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path
from typing import Any

import pytest
from support.azure.emulators import BASE_URL, SUB, SUBSCRIPTION, TENANT, Desk, emulator_desk, gallery_path

from reconciler.providers.emulator.core.api_versions import GALLERY_VERSIONS
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.http.request_pipeline import ConnectionClosed

FAULTS, REQUESTS = "/emulator/faults", "/emulator/requests"


@pytest.mark.parametrize("path", [SUB, "/subscriptions", "/nothing", FAULTS, "/emulator/openapi.json"])
def test_nothing_is_told_without_a_token(desk: Desk, path: str) -> None:
    answer = desk.ask("GET", path, token="")
    assert (answer.status, answer.code) == (401, "AuthenticationFailed")
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith(f'Bearer authorization_uri="{BASE_URL}/{TENANT}"')


def test_a_token_that_is_over_is_refused(desk: Desk) -> None:
    desk.clock.advance(3600)
    assert desk.ask("GET", SUB).code == "ExpiredAuthenticationToken"


@pytest.mark.parametrize("version", GALLERY_VERSIONS)
def test_galleries_have_their_api_versions(desk: Desk, version: str) -> None:
    desk.group()
    desk.gallery()
    assert desk.ask("GET", gallery_path(), query=f"api-version={version}").status == 200


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
def test_an_api_version_that_is_none_is_refused(desk: Desk, path: str, query: str, code: str) -> None:
    answer = desk.ask("GET", path, query=query)
    assert (answer.status, answer.code) == (400, code)


def test_a_refused_api_version_names_those_that_there_are(desk: Desk) -> None:
    answer = desk.ask("GET", gallery_path(), query="api-version=2000-01-01")
    assert all(version in answer.body["error"]["message"] for version in GALLERY_VERSIONS)


def test_other_types_take_any_date(desk: Desk) -> None:
    assert desk.ask("GET", f"{SUB}/resourceGroups", query="api-version=2031-01-02-preview").status == 200


def test_answers_can_be_told_apart(desk: Desk) -> None:
    one, other = desk.ask("GET", SUB).headers, desk.ask("GET", "/nothing").headers
    assert uuid.UUID(one["x-ms-request-id"]) != uuid.UUID(other["x-ms-request-id"])
    assert one["x-ms-correlation-request-id"] == one["x-ms-request-id"]
    assert one["cache-control"] == other["cache-control"] == "no-cache"


def test_the_ids_of_clients_come_back(desk: Desk) -> None:
    sent = {"x-ms-client-request-id": "mine", "x-ms-correlation-request-id": "ours"}
    headers = desk.ask("GET", SUB, headers=sent).headers
    assert (headers["x-ms-client-request-id"], headers["x-ms-correlation-request-id"]) == ("mine", "ours")


@pytest.mark.parametrize("value", ["a\r\nb: c", "é", "x" * 200, ""])
def test_an_id_that_cannot_come_back_does_not(desk: Desk, value: str) -> None:
    assert "x-ms-client-request-id" not in desk.ask("GET", SUB, headers={"x-ms-client-request-id": value}).headers


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "get", "BREW", "x" * 100])
def test_methods_that_there_are_not(desk: Desk, method: str) -> None:
    answer = desk.ask(method, SUB)
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("method", ["HEAD", "PATCH"])
def test_methods_that_a_resource_does_not_have(desk: Desk, method: str) -> None:
    answer = desk.ask(method, f"{SUB}/locations", {})
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_a_body_that_is_no_json_is_refused(desk: Desk) -> None:
    desk.group()
    answer = desk.ask("PUT", gallery_path(), b"{")
    assert (answer.status, answer.code) == (400, "InvalidRequestContent")


def test_a_bug_is_logged_and_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(desk.front.service, "handle", broken)
    with caplog.at_level(logging.ERROR):
        answer = desk.ask("GET", SUB)
    assert (answer.status, answer.code) == (500, "InternalServerError")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_budgets_are_spent_by_route(tmp_path: Path) -> None:
    with emulator_desk(tmp_path, budgets=True) as desk:
        desk.group()
        first = desk.gallery("corp")
        assert first.headers["x-ms-ratelimit-remaining-resource"] == (
            "Microsoft.Compute/CreateUpdateGallery3Min;49,Microsoft.Compute/CreateUpdateGallery30Min;299"
        )
        missing = desk.ask("GET", gallery_path("none"))
        assert missing.status == 404
        assert "GetGallery3Min;349" in missing.headers["x-ms-ratelimit-remaining-resource"]
        for _ in range(49):
            desk.gallery("corp")
        refused = desk.gallery("corp")
        assert (refused.status, refused.code) == (429, "TooManyRequests")
        desk.clock.advance(int(refused.headers["retry-after"]))
        desk.token = desk.front.tokens.issue(BASE_URL)
        assert desk.gallery("corp").status == 200


def test_without_budgets_nothing_is_said_of_them(desk: Desk) -> None:
    desk.group()
    assert "x-ms-ratelimit-remaining-resource" not in desk.gallery().headers


def test_an_error_on_demand_keeps_everything_as_it_is(desk: Desk) -> None:
    desk.group()
    desk.faults(Fault("error", method="PUT", path="*/galleries/*", status=503, code="ServiceUnavailable"))
    answer = desk.gallery()
    assert (answer.status, answer.code) == (503, "ServiceUnavailable")
    assert desk.ask("GET", gallery_path()).status == 404
    assert desk.gallery().status == 201


def test_throttling_on_demand_says_when_to_come_again(desk: Desk) -> None:
    desk.faults(Fault("throttle", seconds=1.2, times=2))
    for _ in range(2):
        answer = desk.ask("GET", SUB)
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (429, "TooManyRequests", "2")
    assert desk.ask("GET", SUB).status == 200


def test_a_token_can_end_on_demand(desk: Desk) -> None:
    desk.faults(Fault("expire-token", skip=1))
    assert desk.ask("GET", SUB).status == 200
    answer = desk.ask("GET", SUB)
    assert (answer.status, answer.code) == (401, "ExpiredAuthenticationToken")
    assert "www-authenticate" in answer.headers
    assert desk.ask("GET", SUB).status == 200


def test_a_dropped_request_does_nothing(desk: Desk) -> None:
    desk.faults(Fault("drop", method="PUT"))
    with pytest.raises(ConnectionClosed):
        desk.group()
    assert desk.ask("GET", f"{SUB}/resourceGroups/rg").status == 404


def test_a_lost_answer_is_to_something_done(desk: Desk) -> None:
    desk.faults(Fault("lose-answer", method="PUT"))
    with pytest.raises(ConnectionClosed):
        desk.group()
    assert desk.ask("GET", f"{SUB}/resourceGroups/rg").status == 200


def test_the_answer_to_a_refusal_can_be_lost_too(desk: Desk) -> None:
    desk.faults(Fault("lose-answer"))
    with pytest.raises(ConnectionClosed):
        desk.ask("GET", f"{SUB}/resourceGroups/none")


def test_faults_do_not_touch_logins_nor_their_own_removal(desk: Desk) -> None:
    desk.faults(Fault("error", times=0))
    assert desk.ask("GET", "/metadata/endpoints", query="api-version=2022-09-01", token="").status == 200
    assert desk.ask("GET", SUB).status == 500
    assert desk.ask("DELETE", FAULTS, query="").status == 204
    assert desk.ask("GET", SUB).status == 200


def test_faults_are_set_and_shown(desk: Desk) -> None:
    answer = desk.ask("PUT", FAULTS, [{"action": "error", "path": "*/galleries", "times": 2}], query="")
    assert answer.status == 200
    (shown,) = desk.ask("GET", FAULTS, query="").body
    assert (shown["action"], shown["path"], shown["times"], shown["seen"]) == ("error", "*/galleries", 2, 0)
    desk.ask("GET", f"{SUB}/providers/Microsoft.Compute/galleries")
    assert desk.ask("GET", FAULTS, query="").body[0]["seen"] == 1


@pytest.mark.parametrize(
    "body", [b"{}", b"[{}]", b'[{"action": "explode"}]', b'[{"action": "drop", "x": 1}]', b"[", b""]
)
def test_faults_that_are_none_are_refused(desk: Desk, body: bytes) -> None:
    answer = desk.ask("PUT", FAULTS, body, query="")
    assert (answer.status, answer.code) == (400, "InvalidRequestContent")


def test_what_is_stuck_ends_when_nothing_makes_it_stick(desk: Desk) -> None:
    desk.group()
    desk.faults(Fault("stick", path="*/galleries/corp"))
    made = desk.gallery()
    poll = made.headers["azure-asyncoperation"].removeprefix(BASE_URL).partition("?")

    def status() -> str:
        return str(desk.ask("GET", poll[0], query=poll[2]).body["status"])

    desk.clock.advance(1000)
    assert status() == "InProgress"
    desk.ask("PUT", FAULTS, [{"action": "stick", "path": "*/other"}], query="")
    assert status() == "InProgress"
    desk.ask("PUT", FAULTS, [{"action": "error", "path": "*/other"}], query="")
    assert status() == "Succeeded"
    assert desk.ask("GET", gallery_path()).body["properties"]["provisioningState"] == "Succeeded"


def test_requests_are_counted_by_what_they_do(desk: Desk) -> None:
    desk.group()
    desk.gallery()
    desk.gallery()
    desk.ask("GET", gallery_path("none"))
    desk.ask("GET", "/nothing")
    desk.faults(Fault("drop"))
    with pytest.raises(ConnectionClosed):
        desk.ask("GET", SUB)
    shown = desk.ask("GET", REQUESTS, query="").body
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


def test_counting_begins_again(desk: Desk) -> None:
    desk.ask("GET", SUB)
    assert desk.ask("DELETE", REQUESTS, query="").status == 204
    assert desk.ask("GET", REQUESTS, query="").body == {"total": 0, "counts": [], "last": []}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", FAULTS, 405), ("GET", "/emulator", 404), ("GET", "/emulator/x", 404)]
)
def test_what_there_is_not_below_emulator(desk: Desk, method: str, path: str, status: int) -> None:
    assert desk.ask(method, path, {}, query="").status == status


def test_the_description_has_every_route(desk: Desk) -> None:
    shown = desk.ask("GET", "/emulator/openapi.json", query="").body
    assert shown["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, methods in shown["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in desk.front.service.routes}
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
