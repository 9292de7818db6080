"""The settings of the `emulator` provider in the project file: those of `azure`, all with defaults."""

import os
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationInfo

from reconciler.manifests.kinds.base import SettingScalar, project_directory
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import is_inside, leads_out, trust_in
from reconciler.manifests.words import quoted
from reconciler.providers.azure import settings as azure
from reconciler.providers.azure.azurite import ACCOUNT
from reconciler.providers.azure.storage_settings import AUTO

NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
_GROUP = "images"
_OWN_FOLDER = ".reconciler"
_DATA = f"{_OWN_FOLDER}/emulator"
_ACCOUNT_ID = (
    f"/subscriptions/{NO_SUBSCRIPTION}/resourceGroups/{_GROUP}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
)


@dataclass(frozen=True)
class CertificateFile(SettingScalar):
    """The path of a certificate, in the project's folder or in one that is trusted. It need not exist yet."""

    what = "the path of a file"

    def parse_setting(self, text: str, info: ValidationInfo) -> str:
        project = project_directory(info)
        if not text or "\0" in text:
            raise InvalidInput(f"{quoted(text)} is not the path of a file", "name the ca.pem of the emulator")
        if not is_inside(os.path.realpath(project / text), trust_in(info.context).roots(project)):
            raise leads_out(text)
        return text


@dataclass(frozen=True)
class DataFolder(SettingScalar):
    """The path of a folder in the project's `.reconciler`, which is the only one that a plan may write to."""

    what = "the path of a folder"

    def parse_setting(self, text: str, info: ValidationInfo) -> str:
        project = project_directory(info)
        own = os.path.join(os.path.realpath(project), _OWN_FOLDER)
        if "\0" in text or not os.path.realpath(project / text).startswith(own + os.sep):
            raise InvalidInput(
                f"{quoted(text)} is no folder in {_OWN_FOLDER} of the project", f"write {_DATA}, or leave it out"
            )
        return text


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
        azure.ServiceUrl(emulator=True),
        Field(description="Where the emulator answers; auto runs one for each command."),
    ] = AUTO
    ca: Annotated[
        str | None,
        CertificateFile(),
        Field(description="File with the certificate of the authority that signs the endpoint's."),
    ] = None
    storage: Annotated[Storage, Field(description="Where image files are uploaded to.")] = Storage()
    data: Annotated[
        str, DataFolder(), Field(description="Where `endpoint: auto` keeps its data: in .reconciler of the project.")
    ] = _DATA
    time_scale: Annotated[
        float, azure.Number(), Field(description="How long operations of `endpoint: auto` take; 1 as on Azure.")
    ] = 0.0
