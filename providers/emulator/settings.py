"""The settings of the `emulator` provider in the project file: those of `azure`, all with defaults."""

from typing import Annotated

from pydantic import Field

from reconciler.manifests.kinds.scalars import String
from reconciler.providers.azure import settings as azure
from reconciler.providers.azure.azurite import ACCOUNT
from reconciler.providers.azure.storage_settings import AUTO

NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
_GROUP = "images"
_ACCOUNT_ID = (
    f"/subscriptions/{NO_SUBSCRIPTION}/resourceGroups/{_GROUP}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
)


class Storage(azure.Storage):
    """Where images are uploaded to: an Azurite that runs as long as a command does, unless another is named."""

    account: Annotated[str, azure.StorageAccountId(), Field(description="Id of the storage account.")] = _ACCOUNT_ID
    container: Annotated[str, azure.CONTAINER_NAME, Field(description="Container for uploads.")] = "images"
    endpoint: Annotated[
        str, azure.BlobUrl(), Field(description="Its blob service; auto runs an Azurite for each command.")
    ] = AUTO


class Settings(azure.Settings):
    """A resource group of the emulator."""

    subscription: Annotated[str, azure.SUBSCRIPTION_ID, Field(description="Id of the subscription.")] = NO_SUBSCRIPTION
    resource_group: Annotated[
        str, azure.GROUP_NAME, Field(description="The resource group that holds the galleries.")
    ] = _GROUP
    endpoint: Annotated[
        str,
        azure.ServiceUrl(allow_auto=True),
        Field(description="Where the emulator answers; auto runs one for each command."),
    ] = AUTO
    storage: Annotated[Storage, Field(description="Where image files are uploaded to.")] = Storage()
    data: Annotated[
        str, String(rule="it must be the path of a folder"), Field(description="Where `endpoint: auto` keeps its data.")
    ] = ".reconciler/emulator"
    time_scale: Annotated[
        float, azure.Number(), Field(description="How long operations of `endpoint: auto` take; 1 as on Azure.")
    ] = 0.0
