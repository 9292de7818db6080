"""Where images are uploaded to, as the project file says it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from reconciler.providers.azure.azurite import ACCOUNT as DEVELOPMENT_ACCOUNT

AUTO = "auto"
"""The endpoint of settings that want an Azurite of their own."""

_ACCOUNT_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Storage/storageAccounts/([a-z0-9]{3,24})",
    re.IGNORECASE,
)
_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where images are uploaded to: `account_id` is the ARM id of the storage account, `endpoint` the URL of its blob
    service, or `auto`."""

    account_id: str
    container: str
    endpoint: str

    @property
    def account(self) -> str:
        return self.account_id.rpartition("/")[2]


def default_endpoint(account_id: str) -> str:
    """The blob service of a storage account in the public cloud."""
    return f"https://{account_id.rpartition('/')[2]}.blob.core.windows.net"


def faults_of(settings: StorageSettings) -> list[str]:
    """What is wrong with settings, in words; nothing when they can be used."""
    faults = []
    if not _ACCOUNT_ID.fullmatch(settings.account_id):
        shape = "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Storage/storageAccounts/NAME"
        faults.append(f"the id of a storage account has the form {shape}, not '{settings.account_id}'")
    if not _CONTAINER.fullmatch(settings.container) or len(settings.container) > 63:
        faults.append(
            "a container's name has 3 to 63 lower-case letters, digits and single hyphens between them, unlike "
            f"'{settings.container}'"
        )
    url = urlsplit(settings.endpoint)
    if settings.endpoint == AUTO:
        if settings.account != DEVELOPMENT_ACCOUNT:
            faults.append(f"with `endpoint: auto` the storage account is named {DEVELOPMENT_ACCOUNT}")
    elif url.scheme not in ("http", "https") or not url.hostname or url.query or url.username:
        faults.append("a storage account's endpoint is the URL of its blob service, without a signature")
    elif url.scheme == "http" and not is_loopback(url.hostname):
        faults.append(f"the endpoint '{settings.endpoint}' has to be https, unless it is on this machine")
    return faults


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
