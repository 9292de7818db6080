"""Answers without a token: the cloud's endpoints, and tokens for clients that know the secrets."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from support.azure.emulated_http import BASE_URL, SUB, Answer, EmulatorClient

from reconciler.providers.emulator.server import TENANT

ARM = "https://management.azure.com"


def form(client: EmulatorClient, **changed: str | None) -> bytes:
    credentials = client.pipeline.tokens.credentials
    usual: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "scope": f"{ARM}/.default",
    }
    return urlencode({name: value for name, value in {**usual, **changed}.items() if value is not None}).encode()


def ask_token(client: EmulatorClient, path: str = f"/{TENANT}/oauth2/v2.0/token", **changed: str | None) -> Answer:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return client.ask("POST", path, form(client, **changed), query="", headers=headers, token="")


def look(client: EmulatorClient, path: str, query: str = "", **headers: str) -> Any:
    answer = client.ask("GET", path, query=query, headers=headers, token="")
    assert answer.status == 200, answer
    return answer.body


def works(client: EmulatorClient, token: str) -> bool:
    return client.ask("GET", SUB, token=token).status == 200


@pytest.mark.parametrize("version", ["2022-09-01", "2023-11-01"])
def test_the_metadata_are_one_cloud(client: EmulatorClient, version: str) -> None:
    cloud = look(client, "/metadata/endpoints", f"api-version={version}")
    assert cloud["resourceManager"] == BASE_URL
    assert cloud["authentication"]["loginEndpoint"] == BASE_URL
    assert cloud["authentication"]["tenant"] == TENANT
    assert cloud["authentication"]["audiences"][0] == BASE_URL
    assert cloud["suffixes"]["storage"]


@pytest.mark.parametrize("version", ["2019-05-01", "2020-06-01"])
def test_the_metadata_of_middle_years_are_a_list(client: EmulatorClient, version: str) -> None:
    (cloud,) = look(client, "/metadata/endpoints", f"api-version={version}")
    assert cloud["resourceManager"] == BASE_URL


def test_the_first_metadata_had_other_names(client: EmulatorClient) -> None:
    cloud = look(client, "/metadata/endpoints", "api-version=2015-01-01")
    assert cloud["galleryEndpoint"] == BASE_URL
    assert cloud["authentication"]["loginEndpoint"] == BASE_URL


def test_metadata_need_an_api_version(client: EmulatorClient) -> None:
    answer = client.ask("GET", "/metadata/endpoints", query="", token="")
    assert (answer.status, answer.code) == (400, "MissingApiVersionParameter")


@pytest.mark.parametrize(
    ("path", "issuer"),
    [
        (f"/{TENANT}/v2.0", f"{BASE_URL}/{TENANT}/v2.0"),
        ("/common/v2.0", f"{BASE_URL}/{TENANT}/v2.0"),
        (f"/{TENANT}", f"https://sts.windows.net/{TENANT}/"),
        ("/adfs", f"{BASE_URL}/adfs"),
    ],
)
def test_a_configuration_leads_to_a_token(client: EmulatorClient, path: str, issuer: str) -> None:
    found = look(client, f"{path}/.well-known/openid-configuration")
    assert found["issuer"] == issuer
    assert look(client, found["jwks_uri"].removeprefix(BASE_URL)) == {"keys": []}
    answer = ask_token(client, found["token_endpoint"].removeprefix(BASE_URL))
    assert works(client, answer.body["access_token"])


def test_discovery_leads_to_the_tenant(client: EmulatorClient) -> None:
    found = look(client, "/common/discovery/instance", "api-version=1.1")
    configuration = look(client, found["tenant_discovery_endpoint"].removeprefix(BASE_URL))
    assert configuration["token_endpoint"] == f"{BASE_URL}/{TENANT}/oauth2/v2.0/token"


def test_a_scope_gets_a_token_for_its_resource(client: EmulatorClient) -> None:
    answer = ask_token(client)
    assert answer.status == 200
    assert answer.body["token_type"] == "Bearer"
    assert answer.body["expires_in"] == 3599
    assert works(client, answer.body["access_token"])


def test_a_resource_gets_the_older_shape(client: EmulatorClient) -> None:
    answer = ask_token(client, f"/{TENANT}/oauth2/token", scope=None, resource=f"{ARM}/")
    assert answer.body["expires_in"] == "3599"
    assert int(answer.body["expires_on"]) == client.clock.now() + 3600
    assert answer.body["resource"] == f"{ARM}/"
    assert works(client, answer.body["access_token"])


def test_a_token_for_something_else_does_not_work_here(client: EmulatorClient) -> None:
    answer = ask_token(client, scope="https://graph.microsoft.com/.default")
    assert answer.status == 200
    assert not works(client, answer.body["access_token"])


@pytest.mark.parametrize(
    ("changed", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": "é"}, 401, "invalid_client", 7000215),
        ({"client_secret": None}, 401, "invalid_client", 7000218),
        ({"client_id": "somebody"}, 400, "unauthorized_client", 700016),
        ({"client_id": None}, 400, "unauthorized_client", 700016),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"scope": None}, 400, "invalid_request", 900144),
        ({"scope": ARM}, 400, "invalid_scope", 1002012),
        ({"scope": "/.default"}, 400, "invalid_scope", 1002012),
        ({"scope": f"{ARM}/.default {ARM}/user"}, 400, "invalid_scope", 1002012),
    ],
)
def test_refusals_are_those_of_entra(
    client: EmulatorClient, changed: dict[str, Any], status: int, error: str, number: int
) -> None:
    answer = ask_token(client, **changed)
    assert (answer.status, answer.body["error"], answer.body["error_codes"]) == (status, error, [number])
    assert answer.body["error_description"].startswith(f"AADSTS{number}: ")
    assert client.pipeline.tokens.credentials.client_secret not in str(answer)


def test_a_form_that_cannot_be_read_is_refused(client: EmulatorClient) -> None:
    answer = client.ask("POST", f"/{TENANT}/oauth2/v2.0/token", b"\xff=1", query="", token="")
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", ["oauth2/v2.0/token", "oauth2/token"])
def test_another_tenant_is_not_found(client: EmulatorClient, path: str) -> None:
    answer = ask_token(client, f"/22222222-2222-2222-2222-222222222222/{path}")
    assert (answer.status, answer.body["error_codes"]) == (400, [90002])


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/metadata/endpoints"), ("GET", f"/{TENANT}/oauth2/v2.0/token"), ("POST", "/msi/token")],
)
def test_other_methods_are_refused(client: EmulatorClient, method: str, path: str) -> None:
    answer = client.ask(method, path, query="", token="")
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")


def managed(client: EmulatorClient, query: str, header: str | None = None) -> Answer:
    secret = client.pipeline.tokens.credentials.identity_header if header is None else header
    return client.ask("GET", "/msi/token", query=query, headers={"x-identity-header": secret}, token="")


def test_a_managed_identity_gets_a_token(client: EmulatorClient) -> None:
    answer = managed(client, f"api-version=2019-08-01&resource={ARM}/")
    assert answer.body["resource"] == f"{ARM}/"
    assert int(answer.body["expires_on"]) == client.clock.now() + 3600
    assert works(client, answer.body["access_token"])


@pytest.mark.parametrize("header", ["", "wrong", "é"])
def test_a_managed_identity_knows_the_header(client: EmulatorClient, header: str) -> None:
    assert managed(client, f"resource={ARM}", header).status == 401


@pytest.mark.parametrize("query", ["", "resource=", f"resource={ARM}&client_id=somebody"])
def test_a_managed_identity_says_for_what_and_is_the_only_one(client: EmulatorClient, query: str) -> None:
    answer = managed(client, query)
    assert answer.status == 400
    assert answer.body["statusCode"] == 400
