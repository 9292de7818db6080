"""Access tokens: the credentials that they are issued for, their claims, and their verification.

Source: the Microsoft identity platform's documentation of access tokens (claims); Resource Manager's answers of 401.
"""

from __future__ import annotations

import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jwt

from reconciler.manifests.private_files import read_or_create
from reconciler.providers.emulator.core.arm import ArmError
from reconciler.providers.emulator.core.clock import Clock

if TYPE_CHECKING:
    from jwt.types import Options

LIFETIME_S = 3600
ARM_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
_ALGORITHM = "HS256"
_LEEWAY_S = 300
_SIGNED_AND_COMPLETE: Options = {
    "require": ["aud", "exp", "iss", "nbf", "tid"],
    "verify_aud": False,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}
"""The times are checked against the clock of the service, the audience against its names."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The service principal of an emulator, created once for its data directory, each secret in a file of its own."""

    client_id: str
    client_secret_file: Path
    client_secret: str
    identity_header_file: Path
    identity_header: str
    token_key: str


def load_credentials(data: Path) -> Credentials:
    """The credentials of a data directory; created when there are none.

    They are words that no program takes for one of its options.
    """
    secret, header = data / "client-secret", data / "identity-header"
    return Credentials(
        client_id=read_or_create(data / "client-id", lambda: str(uuid.uuid4())),
        client_secret_file=secret,
        client_secret=read_or_create(secret, lambda: secrets.token_hex(30)),
        identity_header_file=header,
        identity_header=read_or_create(header, lambda: secrets.token_hex(20)),
        token_key=read_or_create(data / "token-key", lambda: secrets.token_hex(32)),
    )


def same_secret(given: str, right: str) -> bool:
    """Whether two secrets are equal, compared in constant time."""
    return hmac.compare_digest(given.encode(), right.encode())


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues and verifies tokens. `hosts` are the names under which this service is an audience itself."""

    credentials: Credentials
    tenant: str
    clock: Clock
    hosts: frozenset[str]

    @property
    def issuer(self) -> str:
        return f"https://sts.windows.net/{self.tenant}/"

    def issue(self, audience: str, lifetime_s: float = LIFETIME_S) -> str:
        """A token for an audience, valid from now on for so long."""
        now = int(self.clock.now())
        principal = str(uuid.uuid5(uuid.NAMESPACE_OID, self.credentials.client_id))
        claims: dict[str, Any] = {
            "aud": audience,
            "iss": self.issuer,
            "iat": now,
            "nbf": now,
            "exp": now + int(lifetime_s),
            "appid": self.credentials.client_id,
            "appidacr": "1",
            "idp": self.issuer,
            "idtyp": "app",
            "oid": principal,
            "sub": principal,
            "tid": self.tenant,
            "uti": secrets.token_urlsafe(16),
            "ver": "1.0",
        }
        return jwt.encode(claims, self.credentials.token_key, algorithm=_ALGORITHM)

    def check(self, authorization: str) -> Mapping[str, Any]:
        """The claims of the token in an Authorization header. Raises: ArmError 401."""
        scheme, _, token = authorization.strip().partition(" ")
        if not token:
            raise refusal("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        if scheme.lower() != "bearer":
            raise refusal("AuthenticationFailed", "Authentication failed. The 'Authorization' header is not 'Bearer'.")
        claims = self._verified(token.strip())
        self._check_time(claims)
        self._check_audience(str(claims["aud"]))
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            shown = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError as error:
            raise refusal("AuthenticationFailed", "Authentication failed. The access token cannot be read.") from error
        if shown.get("tid") != self.tenant:
            raise refusal(
                "InvalidAuthenticationTokenTenant",
                f"The access token is from the wrong issuer '{shown.get('iss')}'. It must match the tenant "
                f"'{self.issuer}' associated with this subscription.",
            )
        try:
            return jwt.decode(token, self.credentials.token_key, algorithms=[_ALGORITHM], options=_SIGNED_AND_COMPLETE)
        except jwt.PyJWTError as error:
            raise refusal("InvalidAuthenticationToken", "The access token is invalid.") from error

    def _check_time(self, claims: Mapping[str, Any]) -> None:
        now = self.clock.now()
        if claims["exp"] <= now:
            raise self.expired(claims["exp"])
        if claims["nbf"] > now + _LEEWAY_S:
            raise refusal("InvalidAuthenticationToken", "The access token is not valid yet.")

    def expired(self, moment: float) -> ArmError:
        """The refusal of a token that was valid until `moment`."""
        ended, now = (datetime.fromtimestamp(seconds, UTC).isoformat() for seconds in (moment, self.clock.now()))
        return refusal(
            "ExpiredAuthenticationToken",
            f"The access token expiry UTC time '{ended}' is earlier than current UTC time '{now}'.",
        )

    def _check_audience(self, audience: str) -> None:
        if audience.rstrip("/") not in ARM_AUDIENCES and not self._ours(audience):
            raise refusal(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{audience}'. It should match one "
                f"of the allowed audiences '{', '.join(ARM_AUDIENCES)}', or the URL of this service.",
            )

    def _ours(self, audience: str) -> bool:
        try:
            return (urlsplit(audience).hostname or "") in self.hosts
        except ValueError:
            return False


def refusal(code: str, message: str) -> ArmError:
    """A 401; the sender adds the header `challenge`."""
    return ArmError(401, code, message)


def challenge(error: ArmError, base_url: str, tenant: str) -> dict[str, str]:
    """The header of a 401 that says where to get a token, and why the one in the request is not accepted."""
    value = f'Bearer authorization_uri="{base_url}/{tenant}", error="invalid_token", error_description="{error.code}"'
    return {"WWW-Authenticate": value}
