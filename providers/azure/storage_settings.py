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
