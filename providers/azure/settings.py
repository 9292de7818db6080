"""Which cloud, subscription and resource group: the settings of the `azure` and `emulator` providers, checked."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconciler.providers.azure.storage_settings import AUTO, StorageSettings, default_endpoint, faults_of
from reconciler.providers.errors import ProviderError
from reconciler.providers.registry import ProviderConfig

AZURE_ENDPOINT = "https://management.azure.com"
NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_GROUP = re.compile(r"[\w().-]{0,89}[\w()-]")
_COMMON = ("subscription", "resourceGroup", "endpoint", "ca", "storage", "timeoutMinutes")
_KNOWN = {"azure": _COMMON, "emulator": (*_COMMON, "data", "timeScale")}
_STORAGE = ("account", "container", "endpoint")
_DEVELOPMENT_ACCOUNT = (
    f"/subscriptions/{NO_SUBSCRIPTION}/resourceGroups/images/providers/Microsoft.Storage"
    "/storageAccounts/devstoreaccount1"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the provider has to know. `endpoint` may be `auto` for an emulator of our own, whose data is in
    `data`; `ca` is the file of the authority that signs the endpoint, None for the usual ones. `storage` is where image
    files are uploaded to, None when that is not set up."""

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


class _Reading:
    """One provider's mapping in the project file, and the faults found in it so far."""

    def __init__(self, config: ProviderConfig) -> None:
        self.config, self.values = config, config.settings
        self.faults: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name, default)
        if not isinstance(value, str):
            self.faults.append(f"`{name}` is one text")
            return default
        return value

    def number(self, name: str, default: float) -> float:
        try:
            value = float(self.text(name, str(default)))
        except ValueError:
            value = -1.0
        if value < 0:
            self.faults.append(f"`{name}` is a number, 0 or more")
        return value

    def path(self, name: str, default: str = "") -> Path | None:
        value = self.text(name, default)
        return Path(os.path.normpath(self.config.project_dir / value)) if value else None


def read_settings(config: ProviderConfig) -> Settings:
    """The settings of a provider. Raises: ProviderError naming every fault."""
    reading = _Reading(config)
    known = _KNOWN[config.type]
    reading.faults += [_unknown(name, known) for name in config.settings if name not in known]
    emulated = config.type == "emulator"
    subscription = reading.text("subscription", NO_SUBSCRIPTION if emulated else "")
    group = reading.text("resourceGroup", "images" if emulated else "")
    if not _GUID.fullmatch(subscription):
        reading.faults.append("`subscription` is the id of a subscription: 8-4-4-4-12 hexadecimal digits")
    if not _GROUP.fullmatch(group):
        reading.faults.append("`resourceGroup` is the name of a resource group")
    endpoint = reading.text("endpoint", AUTO if emulated else AZURE_ENDPOINT).rstrip("/")
    _check_endpoint(endpoint, emulated, reading.faults)
    settings = Settings(
        name=config.name,
        type=config.type,
        project=config.project_dir,
        subscription=subscription,
        resource_group=group,
        endpoint=endpoint,
        ca=reading.path("ca"),
        storage=_storage(reading, emulated=emulated),
        data=reading.path("data", ".reconciler/emulator") or config.project_dir,
        time_scale=reading.number("timeScale", 0.0),
        timeout_s=60 * reading.number("timeoutMinutes", 360.0),
    )
    if reading.faults:
        raise ProviderError(f"provider '{config.name}': " + "; ".join(reading.faults), "correct it in the project file")
    return settings


def _unknown(name: str, known: tuple[str, ...]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean '{nearest[0]}'?)" if nearest else f" (known are: {', '.join(known)})"
    secret = " (secrets come from the environment, never from this file)" if "secret" in name.lower() else hint
    return f"unknown setting '{name}'{secret}"


def _check_endpoint(endpoint: str, emulated: bool, faults: list[str]) -> None:
    if emulated and endpoint == AUTO:
        return
    parts = urlsplit(endpoint)
    if parts.scheme != "https" or not parts.hostname or parts.path or parts.query or parts.username:
        allowed = "`auto`, or " if emulated else ""
        faults.append(f"`endpoint` is {allowed}an address like https://HOST[:PORT], with TLS")


def _storage(reading: _Reading, *, emulated: bool) -> StorageSettings | None:
    given = reading.values.get("storage", {} if emulated else None)
    if given is None:
        return None
    if not isinstance(given, Mapping):
        reading.faults.append("`storage` is a mapping {account, container, endpoint?}")
        return None
    values: Mapping[str, Any] = given
    reading.faults += [f"storage: {_unknown(name, _STORAGE)}" for name in values if name not in _STORAGE]
    account = str(values.get("account", _DEVELOPMENT_ACCOUNT if emulated else ""))
    container = str(values.get("container", "images" if emulated else ""))
    default = AUTO if emulated else default_endpoint(account)
    storage = StorageSettings(account, container, str(values.get("endpoint", default)).rstrip("/"))
    reading.faults += [f"storage: {fault}" for fault in faults_of(storage)]
    return storage
