"""Which cloud, subscription and resource group an `azure` or `emulator` provider works on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.providers.azure.storage_settings import StorageSettings, default_endpoint
from reconciler.providers.registry import ProviderConfig

AZURE_ENDPOINT = "https://management.azure.com"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that the provider needs to know. `endpoint` may be `auto` for an emulator of its own, which keeps its
    data in `data`; `ca` is the file of the authority that signs the endpoint's certificate, None for the usual ones.
    `storage` is where image files are uploaded to, None when that is not set up."""

    name: str
    type: str
    project: Path
    subscription: str
    resource_group: str
    endpoint: str
    ca: Path | None
    storage: StorageSettings | None
    data: Path
    time_scale: float
    timeout_s: float

    @property
    def group_id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"

    @property
    def galleries_id(self) -> str:
        return f"{self.group_id}/providers/Microsoft.Compute/galleries"


def configuration_of(config: ProviderConfig) -> Configuration:
    """What accepted settings describe."""
    settings, project = config.settings, config.project_dir
    return Configuration(
        name=config.name,
        type=config.type,
        project=project,
        subscription=settings["subscription"],
        resource_group=settings["resourceGroup"],
        endpoint=settings["endpoint"],
        ca=_path(project, settings["ca"]) if settings.get("ca") else None,
        storage=_storage(settings["storage"]) if "storage" in settings else None,
        data=_path(project, settings.get("data", ".")),
        time_scale=settings.get("timeScale", 0.0),
        timeout_s=60 * settings["timeoutMinutes"],
    )


def _path(project: Path, path: str) -> Path:
    return Path(os.path.normpath(project / path))


def _storage(settings: Mapping[str, Any]) -> StorageSettings:
    account = settings["account"]
    return StorageSettings(account, settings["container"], settings.get("endpoint") or default_endpoint(account))
