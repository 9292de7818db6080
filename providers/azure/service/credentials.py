"""Who we are to the service: tokens from the environment or an identity, never from the project file."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from reconciler.providers.azure.settings import AZURE_ENDPOINT, Settings
from reconciler.providers.errors import ProviderError, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.core.exceptions import AzureError

_VARIABLES = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
_NAMES = ", ".join(_VARIABLES)
_RENEW_BEFORE_S = 120
_AUTHORITIES: Mapping[str, str] = {
    AZURE_ENDPOINT: "login.microsoftonline.com",
    "https://management.usgovcloudapi.net": "login.microsoftonline.us",
    "https://management.chinacloudapi.cn": "login.chinacloudapi.cn",
}
"""Azure's clouds: the endpoint of each, and where one signs in. Source: azure-identity, AzureAuthorityHosts."""

logging.getLogger("azure").addHandler(logging.NullHandler())
# What the client warns of, it raises as well; without a handler Python would print it beside our own words.


class Credential(Protocol):
    """What azure-core asks tokens of."""

    def get_token(self, *scopes: str, **more: Any) -> AccessToken: ...


class RenewingCredential:
    """A credential in front of another: keeps a token until shortly before its end, or until told to forget it.

    azure-core keeps the token that it was given for as long as that lasts by its own word; so each is handed out as if
    it ended now, and asked for here before every request.
    """

    def __init__(self, inner: Credential, endpoint: str) -> None:
        self._inner, self._endpoint = inner, endpoint
        self._token: AccessToken | None = None

    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        """Raises: Unavailable when no token can be had."""
        from azure.core.credentials import AccessToken
        from azure.core.exceptions import AzureError

        if self._token is None or self._token.expires_on - _RENEW_BEFORE_S < time.time():
            try:
                self._token = self._inner.get_token(*scopes, **more)
            except AzureError as error:
                raise _no_token(error, self._endpoint) from error
        return AccessToken(self._token.token, int(time.time()))

    def forget(self) -> None:
        """The next request gets a new token."""
        self._token = None


def _no_token(error: AzureError, endpoint: str) -> Unavailable:
    """Why there is no token: nobody answered, the wrong one did, or it did not know us."""
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError

    unanswered = next(
        (one for one in _chain(error) if isinstance(one, (ServiceRequestError, ServiceResponseError))), None
    )
    if unanswered is None:
        said = re.split(r" Trace ID:|\. Authority would", _first_line(error))[0]
        return Unavailable(f"no access token could be had: {said}", f"sign in (az login), or correct {_NAMES}")
    if "CERTIFICATE_VERIFY_FAILED" in str(unanswered):
        return Unavailable(
            f"who answers for {endpoint} is not known: {_first_line(unanswered)}",
            "name the certificate of its authority, `ca`, in the project file",
        )
    where = "the emulator" if endpoint not in _AUTHORITIES else f"the sign-in of {_AUTHORITIES[endpoint]}"
    remedy = "start it (reconciler emulator), and check `endpoint`" if endpoint not in _AUTHORITIES else "try again"
    return Unavailable(f"{where} does not answer: {_first_line(unanswered)}", remedy)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it came of, the latest first."""
    here: BaseException | None = error
    while here is not None:
        yield here
        here = here.__cause__ or here.__context__


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def credential(settings: Settings, ca: Path | None) -> Credential:
    """The credential for an endpoint: Azure's usual chain, or for an emulator the client in the environment.

    Raises: ProviderError when the environment does not say who we are, or there is no certificate at `ca`.
    """
    if settings.type == "azure" and settings.endpoint in _AUTHORITIES:
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential(authority=_AUTHORITIES[settings.endpoint])
    missing = [name for name in _VARIABLES if not os.environ.get(name)]
    if missing:
        raise ProviderError(
            f"provider '{settings.name}': the environment does not say who we are: {', '.join(missing)} not set",
            "take them from the ready file of the emulator, or write `endpoint: auto`",
        )
    if ca is not None and not ca.is_file():
        raise ProviderError(
            f"provider '{settings.name}': there is no certificate '{ca}'",
            "correct `ca` in the project file; the emulator keeps its ca.pem where it keeps everything",
        )
    from azure.identity import ClientSecretCredential

    tenant, client, secret = (os.environ[name] for name in _VARIABLES)
    options: dict[str, Any] = {"retry_connect": 0}  # where nobody listens, nobody waits
    if ca is not None:
        options["connection_verify"] = str(ca)
    return ClientSecretCredential(
        tenant, client, secret, authority=settings.endpoint, disable_instance_discovery=True, **options
    )


def scope(settings: Settings) -> str:
    """What a token has to be good for."""
    return f"{settings.endpoint}/.default"
