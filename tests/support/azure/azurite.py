"""A temporary blob service: Azurite on a free port of the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import BlobServiceClient

from reconciler.providers.azure.azurite import ACCOUNT, Azurite


@dataclass(frozen=True)
class RunningAzurite:
    """A running server; `endpoint` is its development account's URL."""

    endpoint: str

    def client(self) -> BlobServiceClient:
        """A client with full access; the caller closes it."""
        return BlobServiceClient(self.endpoint, credential={"account_name": ACCOUNT, "account_key": usual_key()})


def usual_key() -> str:
    """The key of the development account, which everybody knows."""
    development = BlobServiceClient.from_connection_string("UseDevelopmentStorage=true").credential
    return str(development.account_key)


@contextmanager
def running_azurite(folder: Path) -> Iterator[RunningAzurite]:
    """A server for as long as this lasts, its data in `folder`."""
    server = Azurite(folder, key=usual_key())
    try:
        yield RunningAzurite(server.endpoint())
    finally:
        server.close()
