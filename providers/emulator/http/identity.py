"""What needs no token: the metadata of the cloud, and the endpoints that issue tokens.

Source: azure-cli and azure-identity (what they request and accept); the Microsoft identity platform's documentation of
the client credentials flow and of its errors; App Service's documentation of managed identities.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from reconciler.providers.emulator.core.arm import ArmAnswer, ArmError, Body
from reconciler.providers.emulator.http.cloud_metadata import cloud_metadata
from reconciler.providers.emulator.http.request_parsing import RawRequest
from reconciler.providers.emulator.http.tokens import LIFETIME_S, Tokens, same_secret

ADFS = "adfs"
_ANY_TENANT = ("common", "organizations")
_CREDENTIALS = "client_credentials"


@dataclass(frozen=True, slots=True)
class _IdentityRequest:
    """A request to the identity endpoints: the tenant in its path, and the request itself."""

    raw: RawRequest
    base_url: str
    tenant: str


class _Refused(Exception):
    """An error of the token endpoint: an OAuth error code, and a number of Entra ID with its text."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status, self.error, self.number, self.text = status, error, number, text


class Identity:
    """Answers the requests that need no token."""

    def __init__(self, tokens: Tokens, emulator: str) -> None:
        """`emulator` is the id of this one."""
        self._tokens, self._emulator = tokens, emulator
        self._paths: tuple[tuple[re.Pattern[str], str, Callable[[_IdentityRequest], ArmAnswer]], ...] = (
            (_path("/metadata/endpoints"), "GET", self._metadata),
            (_path("/msi/token"), "GET", self._managed_identity),
            (_path("/common/discovery/instance"), "GET", self._discovery),
            (_path("/{tenant}/.well-known/openid-configuration"), "GET", self._openid),
            (_path("/{tenant}/v2.0/.well-known/openid-configuration"), "GET", self._openid_v2),
            (_path("/{tenant}/discovery/(?:v2.0/)?keys"), "GET", self._keys),
            (_path("/{tenant}/oauth2/token"), "POST", self._token),
            (_path("/{tenant}/oauth2/v2.0/token"), "POST", self._token),
        )

    def answer(self, raw: RawRequest, path: str) -> ArmAnswer | None:
        """The answer; None when the path is not one of the identity endpoints. Raises: ArmError."""
        for pattern, method, handler in self._paths:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if raw.method != method:
                raise ArmError(405, "MethodNotAllowed", f"This path takes {method}.", headers={"Allow": method})
            tenant = match.groupdict().get("tenant", "").lower()
            try:
                return handler(_IdentityRequest(raw, raw.base_url, tenant))
            except _Refused as refused:
                return ArmAnswer(refused.status, self._error_body(refused))
        return None

    def _metadata(self, request: _IdentityRequest) -> ArmAnswer:
        version = request.raw.query().get("api-version", "")
        return ArmAnswer(200, cloud_metadata(request.base_url, self._tokens.tenant, version, self._emulator))

    def _discovery(self, request: _IdentityRequest) -> ArmAnswer:
        host = request.base_url.partition("://")[2]
        endpoint = f"{request.base_url}/{self._tokens.tenant}/v2.0/.well-known/openid-configuration"
        network = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
        return ArmAnswer(200, {"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": [network]})

    def _openid(self, request: _IdentityRequest) -> ArmAnswer:
        self._check_tenant(request)
        adfs = request.tenant == ADFS
        issuer = f"{request.base_url}/{ADFS}" if adfs else self._tokens.issuer
        return ArmAnswer(200, self._configuration(request, issuer, "oauth2/token"))

    def _openid_v2(self, request: _IdentityRequest) -> ArmAnswer:
        self._check_tenant(request)
        issuer = f"{request.base_url}/{self._tokens.tenant}/v2.0"
        return ArmAnswer(200, self._configuration(request, issuer, "oauth2/v2.0/token"))

    def _configuration(self, request: _IdentityRequest, issuer: str, token_path: str) -> Body:
        root = f"{request.base_url}/{request.tenant}"
        return {
            "issuer": issuer,
            "token_endpoint": f"{root}/{token_path}",
            "authorization_endpoint": f"{root}/{token_path.removesuffix('token')}authorize",
            "jwks_uri": f"{root}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "grant_types_supported": [_CREDENTIALS],
            "response_types_supported": ["token"],
            "response_modes_supported": ["form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid"],
            "claims_supported": ["aud", "exp", "iat", "iss", "oid", "sub", "tid"],
        }

    def _keys(self, request: _IdentityRequest) -> ArmAnswer:
        """No public keys: tokens are signed with a secret, and only this service verifies them."""
        self._check_tenant(request)
        return ArmAnswer(200, {"keys": []})

    def _token(self, request: _IdentityRequest) -> ArmAnswer:
        self._check_tenant(request)
        form = _form(request.raw)
        grant = form.get("grant_type", "")
        if grant != _CREDENTIALS:
            raise _Refused(
                400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'."
            )
        self._check_client(form)
        audience = _audience(form)
        token = self._tokens.issue(audience)
        body: Body = {"token_type": "Bearer", "expires_in": LIFETIME_S - 1, "access_token": token}
        if "scope" in form:
            return ArmAnswer(200, {**body, "ext_expires_in": LIFETIME_S - 1})
        return ArmAnswer(200, {**body, "expires_in": str(LIFETIME_S - 1), **self._validity(), "resource": audience})

    def _check_tenant(self, request: _IdentityRequest) -> None:
        if request.tenant not in (self._tokens.tenant.lower(), ADFS, *_ANY_TENANT):
            raise _Refused(
                400,
                "invalid_request",
                90002,
                f"Tenant '{request.tenant}' not found. Check to make sure you have the correct tenant ID and are "
                "signing into the correct cloud.",
            )

    def _check_client(self, form: Mapping[str, str]) -> None:
        credentials = self._tokens.credentials
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        if client.lower() != credentials.client_id:
            raise _Refused(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{client}' was not found in the directory '{self._tokens.tenant}'.",
            )
        if not secret:
            raise _Refused(
                401, "invalid_client", 7000218, "The request body must contain the parameter 'client_secret'."
            )
        if not same_secret(secret, credentials.client_secret):
            raise _Refused(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{client}'.",
            )

    def _managed_identity(self, request: _IdentityRequest) -> ArmAnswer:
        query = request.raw.query()
        credentials = self._tokens.credentials
        if not same_secret(request.raw.headers.get("x-identity-header", ""), credentials.identity_header):
            return ArmAnswer(401, _identity_error(401, "The X-IDENTITY-HEADER is missing or wrong."))
        resource = query.get("resource", "")
        if not resource:
            return ArmAnswer(400, _identity_error(400, "The parameter 'resource' is required."))
        if query.get("client_id", credentials.client_id).lower() != credentials.client_id:
            return ArmAnswer(400, _identity_error(400, "No user assigned identity has that client id."))
        token = self._tokens.issue(resource)
        body = {"access_token": token, "resource": resource, "token_type": "Bearer", "client_id": credentials.client_id}
        return ArmAnswer(200, {**body, **self._validity()})

    def _validity(self) -> dict[str, str]:
        now = int(self._tokens.clock.now())
        return {"not_before": str(now), "expires_on": str(now + LIFETIME_S)}

    def _error_body(self, refused: _Refused) -> dict[str, Any]:
        stamp = datetime.fromtimestamp(self._tokens.clock.now(), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        said = f"AADSTS{refused.number}: {refused.text}"
        return {
            "error": refused.error,
            "error_description": f"{said} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
            "error_codes": [refused.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
        }


def _path(template: str) -> re.Pattern[str]:
    return re.compile(template.replace(".", r"\.").replace("{tenant}", "(?P<tenant>[^/]+)"), re.IGNORECASE)


def _form(raw: RawRequest) -> dict[str, str]:
    try:
        text = raw.body.decode("utf-8")
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=64))
    except ValueError as error:
        raise _Refused(400, "invalid_request", 900144, "The request body cannot be read as a form.") from error


def _audience(form: Mapping[str, str]) -> str:
    """The audience that the token is requested for: a scope `RESOURCE/.default`, or a resource."""
    if form.get("resource"):
        return form["resource"]
    scopes = [scope for scope in form.get("scope", "").split() if scope not in ("openid", "profile", "offline_access")]
    if not scopes:
        raise _Refused(400, "invalid_request", 900144, "The request body must contain the parameter 'scope'.")
    if len(scopes) > 1 or not scopes[0].endswith("/.default") or scopes[0] == "/.default":
        raise _Refused(
            400,
            "invalid_scope",
            1002012,
            f"The provided value for scope '{' '.join(scopes)}' is not valid. Client credential flows must have a "
            "scope value with /.default suffixed to the resource identifier.",
        )
    return scopes[0].removesuffix("/.default")


def _identity_error(status: int, message: str) -> Body:
    return {"statusCode": status, "message": message}
