"""The settings of the `azure` provider in the project file; those of the `emulator` are derived from them."""

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from reconciler.manifests.kinds.base import Model
from reconciler.manifests.kinds.scalars import VALUE_REFERENCE, Scalar, String
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.words import quoted
from reconciler.providers.azure.azurite import ACCOUNT as DEVELOPMENT_ACCOUNT
from reconciler.providers.azure.configuration import AZURE_ENDPOINT
from reconciler.providers.azure.storage_settings import AUTO, is_loopback

_ACCOUNT_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Storage/storageAccounts/[a-z0-9]{3,24}",
    re.IGNORECASE,
)
_ACCOUNT_SHAPE = "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Storage/storageAccounts/NAME"

SUBSCRIPTION_ID = String(
    r"(?i:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})",
    "it must be the id of a subscription: 8-4-4-4-12 hexadecimal digits",
)
GROUP_NAME = String(r"[\w().-]{0,89}[\w()-]", "it must be the name of a resource group")
CONTAINER_NAME = String(
    r"[a-z0-9](?:-?[a-z0-9]){2,62}", "allowed: 3 to 63 lower-case letters, digits and single hyphens between them", 63
)


@dataclass(frozen=True)
class Number(Scalar):
    """A number, 0 or more."""

    what = "a number, 0 or more"

    def parse(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise InvalidInput(
                f"{quoted(text)} is not a number of 0 or more", "write digits, with a point before decimals"
            )
        return number

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "number", "minimum": 0}, VALUE_REFERENCE]}


@dataclass(frozen=True)
class ServiceUrl(Scalar):
    """Where a service answers, `https://HOST[:PORT]`, or `auto` if allowed. A last slash is dropped."""

    allow_auto: bool = False
    what = "an address like https://HOST[:PORT]"

    def parse(self, text: str) -> str:
        endpoint = text.rstrip("/")
        if self.allow_auto and endpoint == AUTO:
            return AUTO
        parts = urlsplit(endpoint)
        if parts.scheme != "https" or not parts.hostname or parts.path or parts.query or parts.username:
            allowed = "`auto`, or " if self.allow_auto else ""
            raise InvalidInput(
                "is not the address of a service", f"write {allowed}an address like https://HOST[:PORT], with TLS"
            )
        return endpoint


@dataclass(frozen=True)
class StorageAccountId(Scalar):
    """The ARM id of a storage account."""

    what = "the id of a storage account"

    def parse(self, text: str) -> str:
        if not _ACCOUNT_ID.fullmatch(text):
            raise InvalidInput(
                f"{quoted(text)} is not the id of a storage account", f"it has the form {_ACCOUNT_SHAPE}"
            )
        return text


@dataclass(frozen=True)
class BlobUrl(Scalar):
    """The URL of a blob service, or `auto`. It is not repeated in messages, as it may hold a signature."""

    what = "the URL of a blob service"

    def parse(self, text: str) -> str:
        endpoint = text.rstrip("/")
        url = urlsplit(endpoint)
        if endpoint == AUTO:
            return AUTO
        if url.scheme not in ("http", "https") or not url.hostname or url.query or url.username:
            raise InvalidInput("is not the URL of a blob service", "write https://HOST[/ACCOUNT], without a signature")
        if url.scheme == "http" and not is_loopback(url.hostname):
            raise InvalidInput(
                f"the endpoint '{endpoint}' has to be https, unless it is on this machine", "write https://..."
            )
        return endpoint


class Storage(Model):
    """Where images are uploaded to; only needed where versions come from files."""

    account: Annotated[str, StorageAccountId(), Field(description="Id of the storage account.")]
    container: Annotated[
        str,
        CONTAINER_NAME,
        Field(description="Container for uploads; it is created when it is missing."),
    ]
    endpoint: Annotated[
        str | None, BlobUrl(), Field(description="Its blob service; that of the public cloud when absent.")
    ] = None

    @model_validator(mode="after")
    def _automatic_for_one_account(self) -> "Storage":
        if self.endpoint == AUTO and self.account.rpartition("/")[2] != DEVELOPMENT_ACCOUNT:
            summary = f"with `endpoint: auto` the storage account is named {DEVELOPMENT_ACCOUNT}"
            raise InvalidInput(summary, "change the account, or give the endpoint of this one", ("account",))
        return self


class Settings(Model):
    """A resource group of Azure."""

    subscription: Annotated[
        str,
        SUBSCRIPTION_ID,
        Field(description="Id of the subscription."),
    ]
    resource_group: Annotated[
        str,
        GROUP_NAME,
        Field(description="The resource group that holds the galleries; it must exist."),
    ]
    endpoint: Annotated[
        str, ServiceUrl(), Field(description="Where the service answers; other clouds of Azure have their own.")
    ] = AZURE_ENDPOINT
    ca: Annotated[
        str | None,
        String(r"(?s).*"),
        Field(description="File with the certificate of the authority that signs the endpoint's."),
    ] = None
    storage: Annotated[
        Storage | None, Field(description="Where image files are uploaded to; without it no version comes from a file.")
    ] = None
    timeout_minutes: Annotated[float, Number(), Field(description="How long one operation may take.")] = 360.0

    @classmethod
    def unknown_key_remedy(cls, key: str) -> str:
        """Secrets have no place in this file, whatever the key is called."""
        return "secrets come from the environment, never from this file" if "secret" in key.lower() else ""
