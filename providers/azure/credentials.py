"""Who we are to the service: tokens from the environment or an identity, never from the project file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from providers.azure.settings import AZURE_ENDPOINT, Settings
from providers.errors import ProviderError, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken

_VARIABLES = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
_RENEW_BEFORE_S = 120


class Credential(Protocol):
    """What azure-core asks tokens of."""

    def get_token(self, *scopes: str, **more: Any) -> AccessToken: ...


class Renewing:
    """A credential in front of another: keeps a token until shortly before its end, or until told to forget it.

    azure-core keeps the token that it was given for as long as that lasts by its own word; so each is handed out as if
    it ended now, and asked for here before every request.
    """

    def __init__(self, inner: Credential) -> None:
        self._inner = inner
        self._token: AccessToken | None = None

    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        """Raises: Unavailable when no token can be had."""
        from azure.core.credentials import AccessToken
        from azure.core.exceptions import AzureError

        if self._token is None or self._token.expires_on - _RENEW_BEFORE_S < time.time():
            try:
                self._token = self._inner.get_token(*scopes, **more)
            except AzureError as error:
                raise Unavailable(
                    f"no access token could be had: {_first_line(error)}",
                    f"sign in (az login), or set {', '.join(_VARIABLES)}",
                ) from error
        return AccessToken(self._token.token, int(time.time()))

    def forget(self) -> None:
        """The next request gets a new token."""
        self._token = None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def credential(settings: Settings, ca: Path | None) -> Credential:
    """The credential for an endpoint: Azure's usual chain, or for an emulator the client in the environment.

    Raises: ProviderError when the environment does not say who we are.
    """
    if settings.type == "azure" and settings.endpoint == AZURE_ENDPOINT:
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential()
    missing = [name for name in _VARIABLES if not os.environ.get(name)]
    if missing:
        raise ProviderError(
            f"provider '{settings.name}': the environment does not say who we are: {', '.join(missing)} not set",
            "set them as the emulator printed them when it started, or write `endpoint: auto`",
        )
    from azure.identity import ClientSecretCredential

    tenant, client, secret = (os.environ[name] for name in _VARIABLES)
    verify: dict[str, Any] = {"connection_verify": str(ca)} if ca else {}
    return ClientSecretCredential(
        tenant, client, secret, authority=settings.endpoint, disable_instance_discovery=True, **verify
    )


def scope(settings: Settings) -> str:
    """What a token has to be good for."""
    return f"{settings.endpoint}/.default"
