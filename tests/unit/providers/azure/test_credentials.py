"""Credentials: which one an endpoint gets, and why there is no token."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import azure.identity
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from reconciler.manifests.trust import Trust
from reconciler.providers.azure.configuration import configuration_of
from reconciler.providers.azure.service.credentials import RenewingCredential, credential
from reconciler.providers.errors import ProviderError, Unavailable
from reconciler.testing.providers import provider_config

SUBSCRIPTION = "12345678-1234-1234-1234-123456789abc"
AZURE = "https://management.azure.com"
EMULATOR = "https://localhost:8443"


class Inner:
    """A credential that returns tokens for `lifetime_s`, or raises `error`."""

    def __init__(self, lifetime_s: float = 3600, error: Exception | None = None) -> None:
        self.lifetime_s, self.error, self.asked = lifetime_s, error, 0

    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return AccessToken(f"token {self.asked}", int(time.time() + self.lifetime_s))


def used(kind: str, trust: Trust | None = None, **settings: str) -> Any:
    named = {"subscription": SUBSCRIPTION, "resourceGroup": "rg", **settings}
    configuration = configuration_of(provider_config(kind, named, Path(), trust))
    return credential(configuration, configuration.ca)


@pytest.mark.parametrize(
    ("endpoint", "authority"),
    [
        (AZURE, "login.microsoftonline.com"),
        (f"{AZURE}/", "login.microsoftonline.com"),
        ("https://management.usgovcloudapi.net", "login.microsoftonline.us"),
        ("https://management.chinacloudapi.cn", "login.chinacloudapi.cn"),
    ],
)
def test_each_cloud_of_azure_has_its_own_sign_in(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, authority: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", lambda authority: asked.append(authority))
    used("azure", endpoint=endpoint)
    assert asked == [authority]


@pytest.mark.parametrize(("kind", "prefix"), [("azure", "AZURE"), ("emulator", "RECONCILER_EMULATOR")])
def test_another_endpoint_gives_out_its_own_tokens(monkeypatch: pytest.MonkeyPatch, kind: str, prefix: str) -> None:
    trust = Trust(endpoints={EMULATOR: None})
    for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"{prefix}_{name}", SUBSCRIPTION)
    assert isinstance(used(kind, trust, endpoint=EMULATOR), azure.identity.ClientSecretCredential)
    monkeypatch.delenv(f"{prefix}_CLIENT_SECRET")
    with pytest.raises(ProviderError, match=f"{prefix}_CLIENT_SECRET not set"):
        used(kind, trust, endpoint=EMULATOR)


def test_a_secret_of_azure_is_nothing_that_an_emulator_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"AZURE_{name}", SUBSCRIPTION)
    with pytest.raises(ProviderError, match=r"RECONCILER_EMULATOR_TENANT_ID, .* not set"):
        used("emulator", endpoint=EMULATOR)


def test_a_token_is_kept_until_shortly_before_its_end_or_until_it_is_to_be_forgotten() -> None:
    inner = Inner()
    renewing = RenewingCredential(inner, AZURE)
    assert [renewing.get_token("s").token for _ in range(3)] == ["token 1"] * 3
    renewing.forget()
    assert renewing.get_token("s").token == "token 2"
    short = RenewingCredential(Inner(lifetime_s=60), AZURE)
    assert [short.get_token("s").token for _ in range(2)] == ["token 1", "token 2"]


def why(error: Exception, endpoint: str) -> tuple[str, str]:
    """Message and remedy when there is no token."""
    with pytest.raises(Unavailable) as caught:
        RenewingCredential(Inner(error=error), endpoint).get_token("s")
    return caught.value.message, caught.value.remedy


def wrapped(text: str) -> Exception:
    """The error that azure-identity raises for one of its transport: with its text, the cause only in the context."""
    error = ClientAuthenticationError(f"Authentication failed: {text}")
    error.__context__ = ServiceRequestError(text)
    return error


def test_a_missing_answer_is_not_reported_as_a_refusal() -> None:
    message, remedy = why(wrapped("Connection refused"), EMULATOR)
    assert message == "the emulator does not answer: Connection refused"
    assert "start it" in remedy
    message, remedy = why(wrapped("Name or service not known"), AZURE)
    assert message == "the sign-in of login.microsoftonline.com does not answer: Name or service not known"
    message, remedy = why(wrapped("[SSL: CERTIFICATE_VERIFY_FAILED] no issuer"), EMULATOR)
    assert f"the certificate of {EMULATOR} could not be verified" in message
    assert "`ca`" in remedy


def test_a_refusal_is_shown_without_trace_ids() -> None:
    message, remedy = why(ClientAuthenticationError("Bad secret. Trace ID: 1 Correlation ID: 2\nmore"), AZURE)
    assert message == "no access token could be obtained: Bad secret."
    assert "az login" in remedy
