"""A container of a storage account: how to connect to it, and what its refusals mean."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.storage.blob import BlobServiceClient, ContainerClient, ExponentialRetry

from reconciler.providers.azure.azurite import ACCOUNT as DEVELOPMENT_ACCOUNT
from reconciler.providers.azure.clouds import is_on_loopback
from reconciler.providers.azure.storage_settings import StorageSettings
from reconciler.providers.errors import ProviderError, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline import PipelineRequest, PipelineResponse
    from azure.core.pipeline.transport import HttpRequest, HttpResponse

NO_CONNECT_RETRY: Mapping[str, Any] = {"retry_connect": 0}
"""Options of a request that may be the first: if no server listens, it fails without retries."""

_ROLE = "the role Storage Blob Data Contributor on the container"
_KEY = "AZURE_STORAGE_KEY"
_CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"


def connect(
    settings: StorageSettings,
    endpoint: str,
    credential: TokenCredential | None,
    environment: Mapping[str, str] = os.environ,
    key: str = "",
) -> ContainerClient:
    """A client for the container, which need not exist. `endpoint` is that of `settings`, or of the server for `auto`.

    A connection string or a key in the environment takes precedence over the credential; the development account, on
    this host only, needs neither. `key` is that of a server of our own.

    Raises: ProviderError when there is no credential, or it is malformed.
    """
    try:
        with_string = None if key else _named_in_environment(settings, environment)
        service = with_string or BlobServiceClient(
            endpoint, credential=_credential(settings, endpoint, credential, environment, key), **_options()
        )
    except ValueError:
        # The message of the cause may quote the credential.
        raise ProviderError(
            f"the credential for the storage account {settings.account} is malformed",
            f"correct {_CONNECTION_STRING} or {_KEY} in the environment, or unset it",
        ) from None
    if service.account_name != settings.account:
        raise ProviderError(
            f"{_CONNECTION_STRING} is for the storage account {service.account_name}, but the project file names "
            f"{settings.account}",
            "correct one of them",
        )
    return service.get_container_client(settings.container)


def _named_in_environment(settings: StorageSettings, environment: Mapping[str, str]) -> BlobServiceClient | None:
    text = environment.get(_CONNECTION_STRING, "")
    if not text or settings.account == DEVELOPMENT_ACCOUNT:
        return None
    return BlobServiceClient.from_connection_string(text, **_options())


def _credential(
    settings: StorageSettings,
    endpoint: str,
    credential: TokenCredential | None,
    environment: Mapping[str, str],
    key: str,
) -> Any:
    if key:
        return {"account_name": settings.account, "account_key": key}
    if settings.account == DEVELOPMENT_ACCOUNT and is_on_loopback(endpoint):
        development = BlobServiceClient.from_connection_string("UseDevelopmentStorage=true").credential
        return {"account_name": DEVELOPMENT_ACCOUNT, "account_key": development.account_key}
    if environment.get(_KEY):
        return {"account_name": settings.account, "account_key": environment[_KEY]}
    if credential is None:
        raise ProviderError(
            f"there are no credentials for the storage account {settings.account}",
            f"sign in to Azure, or set {_KEY} in the environment",
        )
    return credential


def _options() -> dict[str, Any]:
    return {"retry_policy": PatientRetry(), "max_page_size": 4 << 20, "connection_timeout": 20, "read_timeout": 120}


class PatientRetry(ExponentialRetry):
    """Retries after the time that the service asks for, or else with exponential backoff."""

    def __init__(self) -> None:
        super().__init__(initial_backoff=1, increment_base=2, retry_total=6, random_jitter_range=1)

    def increment(
        self,
        settings: dict[str, Any],
        request: PipelineRequest[HttpRequest],
        response: PipelineResponse[HttpRequest, HttpResponse] | None = None,
        error: AzureError | None = None,
    ) -> bool:
        """Whether to retry: never for an identity that was refused a token."""
        if isinstance(error, ClientAuthenticationError):
            return False
        return super().increment(settings, request, response, error)

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Seconds to wait before the next attempt."""
        response = settings["history"][-1].http_response if settings["history"] else None
        asked = response.headers.get("Retry-After", "") if response is not None else ""
        return float(asked) if asked.isdigit() else super().get_backoff_time(settings)


@contextmanager
def translated_errors(settings: StorageSettings, endpoint: str, doing: str) -> Iterator[None]:
    """Turns the service's refusals in the block into a ProviderError; `doing` completes "it was not possible to".

    Causes are suppressed: the service quotes the signature that it refuses, and an address may contain one.
    """
    try:
        yield
    except ClientAuthenticationError as error:
        raise _forbidden(settings, error, doing) from None
    except HttpResponseError as error:
        raise _refused(settings, error, doing) from None
    except AzureError as error:
        if type(error).__name__ == "AzureSigningError":
            raise ProviderError(
                f"the key of the storage account {settings.account} is malformed", f"correct {_KEY} in the environment"
            ) from None
        raise Unavailable(
            f"the blob service at {_without_secrets(endpoint)} does not answer",
            "check the endpoint, the network, and that the storage account exists",
        ) from None


def _forbidden(settings: StorageSettings, error: ClientAuthenticationError, doing: str) -> ProviderError:
    if error.status_code is None:  # the sign-in failed, before any request to the service
        return ProviderError(
            f"no access token could be obtained for the storage account {settings.account}",
            f"sign in to Azure with an identity that has {_ROLE}",
        )
    return _refused(settings, error, doing)


def _refused(settings: StorageSettings, error: HttpResponseError, doing: str) -> ProviderError:
    code, place = _code(error), f"the container {settings.container} of the storage account {settings.account}"
    if error.status_code in (401, 403):
        return ProviderError(f"no permission to {doing} in {place} ({code})", _remedy(code))
    if error.status_code in (408, 429) or (error.status_code or 500) >= 500:
        return Unavailable(f"{place} cannot be reached: its service answers {code}", "try again later")
    return ProviderError(
        f"it was not possible to {doing} in {place}: {code}",
        "try again; if the error persists, look at the container in the Azure portal",
        retryable=code == "ContainerBeingDeleted",
    )


def _code(error: HttpResponseError) -> str:
    """The service's error code, or else the status."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or f"status {error.status_code}")


def _remedy(code: str) -> str:
    if code == "AuthenticationFailed":
        return f"check {_KEY} or {_CONNECTION_STRING} if one is set, that it has not expired, and this host's clock"
    if code == "KeyBasedAuthenticationNotPermitted":
        variables = f"{_KEY} and {_CONNECTION_STRING}"
        return f"the account does not accept keys: unset {variables}, and use an identity that has {_ROLE}"
    if code == "AuthorizationFailure":
        return f"allow this host's address in the account's firewall, and give the identity in use {_ROLE}"
    return f"give the identity in use {_ROLE}"


def _without_secrets(url: str) -> str:
    return url.partition("?")[0]
