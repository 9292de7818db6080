"""A token is valid if it was signed by us, for us, for this tenant, and has not expired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest

from reconciler.providers.emulator.core.arm import ArmError
from reconciler.providers.emulator.core.clock import ManualClock
from reconciler.providers.emulator.http.tokens import Tokens, load_credentials

TENANT = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tokens(tmp_path: Path, clock: ManualClock) -> Tokens:
    return Tokens(load_credentials(tmp_path), TENANT, clock, frozenset({"localhost"}))


def refusal(tokens: Tokens, authorization: str) -> str:
    with pytest.raises(ArmError) as refused:
        tokens.check(authorization)
    assert refused.value.status == 401
    return refused.value.code


def forged(tokens: Tokens, key: str = "", **claims: Any) -> str:
    good = jwt.decode(tokens.issue("https://localhost"), options={"verify_signature": False})
    wanted = {name: value for name, value in {**good, **claims}.items() if value is not None}
    return "Bearer " + jwt.encode(wanted, key or tokens.credentials.token_key, algorithm="HS256")


def test_a_secret_is_never_taken_for_an_option(tmp_path: Path) -> None:
    for number in range(100):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = load_credentials(folder)
        assert all(secret.isalnum() for secret in (made.client_secret, made.identity_header, made.token_key))


@pytest.mark.parametrize(
    "audience",
    [
        "https://localhost:41000",
        "https://localhost:41000/",
        "https://management.azure.com/",
        "https://management.core.windows.net",
    ],
)
def test_says_who_asks(tokens: Tokens, audience: str) -> None:
    claims = tokens.check(f"Bearer {tokens.issue(audience)}")
    assert claims["tid"] == TENANT
    assert claims["appid"] == tokens.credentials.client_id
    assert claims["aud"] == audience
    assert claims["exp"] - claims["nbf"] == 3600


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer a.b.c", "Bearer é", "x" * 9000]
)
def test_what_is_no_token_fails(tokens: Tokens, authorization: str) -> None:
    assert refusal(tokens, authorization) == "AuthenticationFailed"


def test_ends_with_its_time(tokens: Tokens, clock: ManualClock) -> None:
    token = f"Bearer {tokens.issue('https://localhost', lifetime_s=60)}"
    clock.advance(59)
    tokens.check(token)
    clock.advance(1)
    assert refusal(tokens, token) == "ExpiredAuthenticationToken"


def test_one_of_the_future_does_not_count_yet(tokens: Tokens, clock: ManualClock) -> None:
    later = int(clock.now()) + 1000
    assert refusal(tokens, forged(tokens, nbf=later, exp=later + 60)) == "InvalidAuthenticationToken"


def test_a_foreign_tenant_is_named(tokens: Tokens) -> None:
    foreign = forged(tokens, tid="22222222-2222-2222-2222-222222222222")
    assert refusal(tokens, foreign) == "InvalidAuthenticationTokenTenant"


def test_a_foreign_signature_is_refused(tokens: Tokens) -> None:
    assert refusal(tokens, forged(tokens, key="k" * 64)) == "InvalidAuthenticationToken"


def test_a_missing_signature_is_refused(tokens: Tokens) -> None:
    claims = jwt.decode(tokens.issue("https://localhost"), options={"verify_signature": False})
    assert refusal(tokens, "Bearer " + jwt.encode(claims, "", algorithm="none")) == "InvalidAuthenticationToken"


@pytest.mark.parametrize("audience", ["https://graph.microsoft.com", "https://elsewhere:8443", "", "https://[", "x"])
def test_a_token_for_another_audience_is_refused(tokens: Tokens, audience: str) -> None:
    assert refusal(tokens, forged(tokens, aud=audience)) == "InvalidAuthenticationTokenAudience"


@pytest.mark.parametrize("claim", ["aud", "exp", "iss", "nbf"])
def test_all_claims_are_required(tokens: Tokens, claim: str) -> None:
    assert refusal(tokens, forged(tokens, "", **{claim: None})) == "InvalidAuthenticationToken"


def test_credentials_are_made_once_and_private(tmp_path: Path) -> None:
    first = load_credentials(tmp_path)
    assert load_credentials(tmp_path) == first
    assert len({first.client_secret, first.identity_header, first.token_key, first.client_id}) == 4
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_two_directories_have_different_credentials(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    one, other = map(load_credentials, folders)
    assert one.client_secret != other.client_secret
    assert one.token_key != other.token_key
