"""The settings of the `azure` provider in the project file; those of the `emulator` are derived from them."""

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, model_validator

from reconciler.manifests.kinds.base import Model, ResourceId, SettingScalar
from reconciler.manifests.kinds.scalars import VALUE_REFERENCE, Scalar, String
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import trust_in
from reconciler.manifests.words import quoted
from reconciler.providers.azure.azurite import ACCOUNT as DEVELOPMENT_ACCOUNT
from reconciler.providers.azure.clouds import (
    AZURE_ENDPOINT,
    CLOUDS,
    blob_service,
    is_address,
    is_blob_service,
    is_on_loopback,
    is_trusted,
    origin,
)
from reconciler.providers.azure.storage_settings import AUTO

_BLOB_URL = re.compile(r"https?://[^\s/@?#\\]+(/[a-z0-9]{1,24})?", re.IGNORECASE)

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
class ServiceUrl(SettingScalar):
    """Where a service answers, `https://HOST[:PORT]`: a cloud of Azure, or for an emulator `auto` or an address of this
    computer; else one that whoever runs this trusts. A last slash is dropped."""

    emulator: bool = False
    what = "an address like https://HOST[:PORT]"

    def parse_setting(self, text: str, info: ValidationInfo) -> str:
        endpoint = text.rstrip("/")
        if self.emulator and endpoint == AUTO:
            return AUTO
        if not is_address(endpoint) or not endpoint.startswith("https://"):
            allowed = "`auto`, or " if self.emulator else ""
            raise InvalidInput(
                "is not the address of a service", f"write {allowed}an address like https://HOST[:PORT], with TLS"
            )
        known = is_on_loopback(endpoint) if self.emulator else origin(endpoint) in CLOUDS
        if not known and not is_trusted(endpoint, trust_in(info.context)):
            raise _not_trusted(endpoint, "an address of this computer" if self.emulator else "a cloud of Azure")
        return origin(endpoint)


def _not_trusted(endpoint: str, allowed: str) -> InvalidInput:
    known = "" if allowed.startswith("an address") else f" ({', '.join(CLOUDS)})"
    return InvalidInput(
        f"{quoted(endpoint)} is not {allowed}",
        f"write {allowed}{known}, or name it under `azure.endpoints` in the settings of whoever runs this "
        "(--settings FILE)",
    )


class StorageAccountId(ResourceId):
    """The ARM id of a storage account."""

    what = "the id of a storage account"

    def __init__(self) -> None:
        super().__init__("storage account", "Microsoft.Storage/storageAccounts")


@dataclass(frozen=True)
class BlobUrl(Scalar):
    """The URL of a blob service, or `auto`. It is not repeated in messages, as it may hold a signature."""

    what = "the URL of a blob service"

    def parse(self, text: str) -> str:
        endpoint = text.rstrip("/")
        if endpoint == AUTO:
            return AUTO
        if not _BLOB_URL.fullmatch(endpoint) or not origin(endpoint):
            raise InvalidInput("is not the URL of a blob service", "write https://HOST[/ACCOUNT], without a signature")
        if endpoint.startswith("http:") and not is_on_loopback(endpoint):
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

    @model_validator(mode="after")
    def _service_of_the_account(self, info: ValidationInfo) -> "Storage":
        """What is uploaded, and the token for it, goes to the account's own service, or to one that is trusted."""
        endpoint, account = self.endpoint or AUTO, self.account.rpartition("/")[2]
        own = endpoint == AUTO or is_blob_service(endpoint, account)
        if own or is_trusted(endpoint, trust_in(info.context)) or (_is_development(account, endpoint)):
            return self
        summary = f"the endpoint is not the blob service of the storage account {account}"
        remedy = (
            f"write {blob_service(account, AZURE_ENDPOINT)}, or name it under `azure.endpoints` in the settings of "
            "whoever runs this (--settings FILE)"
        )
        raise InvalidInput(summary, remedy, ("endpoint",))


def _is_development(account: str, endpoint: str) -> bool:
    """Whether this is an Azurite on this computer, which has a key that everyone knows."""
    return account == DEVELOPMENT_ACCOUNT and is_on_loopback(endpoint)


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
    storage: Annotated[
        Storage | None, Field(description="Where image files are uploaded to; without it no version comes from a file.")
    ] = None
    timeout_minutes: Annotated[float, Number(), Field(description="How long one operation may take.")] = 360.0

    @classmethod
    def unknown_key_remedy(cls, key: str) -> str:
        """Secrets have no place in this file, whatever the key is called."""
        if key == "ca":
            return "name it beside the endpoint, under `azure.endpoints` in the settings of whoever runs this"
        return "secrets come from the environment, never from this file" if "secret" in key.lower() else ""
