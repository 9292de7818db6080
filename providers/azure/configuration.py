"""Which cloud, subscription and resource group an `azure` or `emulator` provider works on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import Trust, is_inside, leads_out
from reconciler.providers.azure.clouds import CLOUDS, blob_service, is_on_loopback, is_trusted, trusted_authority
from reconciler.providers.azure.storage_settings import AUTO, StorageSettings
from reconciler.providers.errors import ProviderError
from reconciler.providers.registry import ProviderConfig


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that the provider needs to know. `endpoint` may be `auto` for an emulator of its own, which keeps its
    data in `data`; `ca` is the file of the authority that signs the endpoint's certificate, None for the usual ones.
    `storage` is where image files are uploaded to, None when that is not set up; `trust` is what may be read and
    downloaded beyond the project."""

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
    trust: Trust = field(default_factory=Trust)

    @property
    def group_id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"

    @property
    def galleries_id(self) -> str:
        return f"{self.group_id}/providers/Microsoft.Compute/galleries"


def configuration_of(config: ProviderConfig) -> Configuration:
    """What accepted settings describe.

    Raises: ProviderError for an endpoint that is not trusted, or a certificate outside of the project: settings may
    come from a cache, and what is trusted, or a link, may have changed since.
    """
    settings, project = config.settings, config.project_dir
    endpoint = settings["endpoint"]
    _require_known(endpoint, config)
    return Configuration(
        name=config.name,
        type=config.type,
        project=project,
        subscription=settings["subscription"],
        resource_group=settings["resourceGroup"],
        endpoint=endpoint,
        ca=_authority(endpoint, config),
        storage=_storage(settings["storage"], endpoint) if "storage" in settings else None,
        data=_path(project, settings.get("data", ".")),
        time_scale=settings.get("timeScale", 0.0),
        timeout_s=60 * settings["timeoutMinutes"],
        trust=config.trust,
    )


def _path(project: Path, path: str) -> Path:
    return Path(os.path.normpath(project / path))


def _require_known(endpoint: str, config: ProviderConfig) -> None:
    local = endpoint == AUTO or (endpoint.startswith("https:") and is_on_loopback(endpoint))
    known = endpoint in CLOUDS if config.type == "azure" else local
    if not known and not is_trusted(endpoint, config.trust):
        raise ProviderError(
            f"provider '{config.name}': the endpoint {endpoint} is not trusted",
            "name it under `azure.endpoints` in the settings of whoever runs this (--settings FILE)",
        )


def _authority(endpoint: str, config: ProviderConfig) -> Path | None:
    """The file of the authority of an endpoint: the trusted one of a trusted endpoint, else one of the project."""
    if is_trusted(endpoint, config.trust):
        return trusted_authority(endpoint, config.trust)
    written = config.settings.get("ca")
    if not written:
        return None
    path = os.path.realpath(config.project_dir / written)
    if not is_inside(path, config.trust.roots(config.project_dir)):
        raise _outside(config, leads_out(written))
    return Path(path)


def _outside(config: ProviderConfig, invalid: InvalidInput) -> ProviderError:
    return ProviderError(f"provider '{config.name}': the certificate {invalid.summary}", invalid.detail)


def _storage(settings: Mapping[str, Any], endpoint: str) -> StorageSettings:
    account = settings["account"]
    own = blob_service(account.rpartition("/")[2], endpoint)
    return StorageSettings(account, settings["container"], settings.get("endpoint") or own)
