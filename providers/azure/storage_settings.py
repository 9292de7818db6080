"""Where images are uploaded to."""

from __future__ import annotations

from dataclasses import dataclass

AUTO = "auto"
"""The endpoint of settings that ask for an Azurite of their own."""


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


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    return host in ("localhost", "::1") or host.startswith("127.")
