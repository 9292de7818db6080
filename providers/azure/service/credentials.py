"""Credentials for the service: from the environment or an identity, never from the project file."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from reconciler.providers.azure.clouds import CLOUDS
from reconciler.providers.azure.configuration import Configuration
from reconciler.providers.errors import ProviderError, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.core.exceptions import AzureError

_NAMES = ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")
_PREFIXES = {"azure": "AZURE_", "emulator": "RECONCILER_EMULATOR_"}
"""The variables of an emulator have names of their own, so that a secret of Azure is never what it is sent."""
_RENEW_BEFORE_S = 120
logging.getLogger("azure").addHandler(logging.NullHandler())
# The client also raises what it warns about; without a handler Python would print the warnings as well.


class Credential(Protocol):
    """The source of tokens that azure-core expects."""

    def get_token(self, *scopes: str, **more: Any) -> AccessToken: ...


class RenewingCredential:
    """Wraps a credential: keeps its token until shortly before it expires, or until `forget`.

    azure-core caches a token until its stated expiry. Tokens are therefore returned as if they expired immediately, so
    that azure-core asks for one before every request.
    """

    def __init__(self, inner: Credential, endpoint: str) -> None:
        self._inner, self._endpoint = inner, endpoint
        self._token: AccessToken | None = None

    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        """Raises: Unavailable when no token can be obtained."""
        from azure.core.credentials import AccessToken
        from azure.core.exceptions import AzureError

        if self._token is None or self._token.expires_on - _RENEW_BEFORE_S < time.time():
            try:
                self._token = self._inner.get_token(*scopes, **more)
            except AzureError as error:
                raise _no_token(error, self._endpoint) from error
        return AccessToken(self._token.token, int(time.time()))

    def forget(self) -> None:
        """Makes the next request get a new token."""
        self._token = None


def _no_token(error: AzureError, endpoint: str) -> Unavailable:
    """Why there is no token: there was no answer, its certificate is not trusted, or the sign-in was refused."""
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError

    unanswered = next(
        (cause for cause in _chain(error) if isinstance(cause, (ServiceRequestError, ServiceResponseError))), None
    )
    if unanswered is None:
        reason = re.split(r" Trace ID:|\. Authority would", _first_line(error))[0]
        return Unavailable(
            f"no access token could be obtained: {reason}", f"sign in (az login), or correct {_variables_of(endpoint)}"
        )
    if "CERTIFICATE_VERIFY_FAILED" in str(unanswered):
        return Unavailable(
            f"the certificate of {endpoint} could not be verified: {_first_line(unanswered)}",
            "set `ca` in the project file to the certificate of its authority",
        )
    where = "the emulator" if endpoint not in CLOUDS else f"the sign-in of {CLOUDS[endpoint].sign_in}"
    remedy = "start it (reconciler emulator), and check `endpoint`" if endpoint not in CLOUDS else "try again"
    return Unavailable(f"{where} does not answer: {_first_line(unanswered)}", remedy)


def _variables_of(endpoint: str) -> str:
    prefix = _PREFIXES["azure" if endpoint in CLOUDS else "emulator"]
    return ", ".join(f"{prefix}{name}" for name in _NAMES)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and its causes, the latest first."""
    here: BaseException | None = error
    while here is not None:
        yield here
        here = here.__cause__ or here.__context__


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def credential(settings: Configuration, ca: Path | None) -> Credential:
    """The credential for an endpoint: Azure's default chain; for an emulator the client in
    `RECONCILER_EMULATOR_*`, and for a further endpoint of Azure's API that is trusted the one in `AZURE_*`.

    Raises: ProviderError when the environment has no credentials, or `ca` does not exist.
    """
    if settings.type == "azure" and settings.endpoint in CLOUDS:
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential(authority=CLOUDS[settings.endpoint].sign_in)
    variables = [f"{_PREFIXES[settings.type]}{name}" for name in _NAMES]
    missing = [name for name in variables if not os.environ.get(name)]
    if missing:
        raise ProviderError(
            f"provider '{settings.name}': there are no credentials in the environment: {', '.join(missing)} not set",
            "copy them from the ready file of the emulator, or use `endpoint: auto`",
        )
    if ca is not None and not ca.is_file():
        raise ProviderError(
            f"provider '{settings.name}': the certificate '{ca}' does not exist",
            "correct `ca` in the project file; the emulator keeps its ca.pem in its data directory",
        )
    from azure.identity import ClientSecretCredential

    tenant, client, secret = (os.environ[name] for name in variables)
    options: dict[str, Any] = {"retry_connect": 0}  # if no server listens, do not wait
    if ca is not None:
        options["connection_verify"] = str(ca)
    return ClientSecretCredential(
        tenant, client, secret, authority=settings.endpoint, disable_instance_discovery=True, **options
    )


def scope(settings: Configuration) -> str:
    """The scope of the tokens."""
    return f"{settings.endpoint}/.default"
