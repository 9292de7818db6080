"""Where a run on the emulator can be killed: around everything that has an effect outside of the process."""

from __future__ import annotations

from support.killing import Killer

PROVIDER_CALLS = ("begin", "poll", "tidy")
SERVICE_CALLS = (
    "put_gallery",
    "put_definition",
    "put_version",
    "delete_gallery",
    "delete_definition",
    "delete_version",
)
BLOB_CALLS = ("create_page_blob", "upload_page", "set_blob_metadata", "delete_blob")


def install(killer: Killer) -> None:
    """Puts the killer around all of them."""
    from azure.storage.blob import BlobClient

    from reconciler.providers.azure.provider import AzureProvider
    from reconciler.providers.azure.service.api import Api
    from reconciler.state.sql_store.store import SqlStore

    killer.wrap(SqlStore, "write")
    killer.wrap(AzureProvider, *PROVIDER_CALLS)
    killer.wrap(Api, *SERVICE_CALLS)
    killer.wrap(BlobClient, *BLOB_CALLS)
