"""The `emulator` backend: the Azure provider on our own service, which `endpoint: auto` runs during the command."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from reconciler.providers.azure.configuration import Configuration, configuration_of
from reconciler.providers.azure.provider import LIBRARIES, AzureProvider, ServiceConnection
from reconciler.providers.azure.service.api import Api
from reconciler.providers.azure.service.credentials import Credential
from reconciler.providers.azure.storage_settings import AUTO
from reconciler.providers.registry import ProviderConfig, require

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken

    from reconciler.providers.emulator.server import RunningEmulator


def create_provider(config: ProviderConfig) -> AzureProvider:
    """The backend for these settings.

    Raises: ModuleNotFoundError when a library is not installed.
    """
    settings = configuration_of(config)
    require(*LIBRARIES)
    if settings.endpoint != AUTO:
        return AzureProvider(settings, ServiceConnection(settings))
    require("jwt", "starlette", "trustme", "uvicorn")
    return AzureProvider(settings, EmulatorConnection(settings))


class EmulatorConnection(ServiceConnection):
    """An emulator in this process, on the data that the last command left; started with the first call."""

    def __init__(self, settings: Configuration) -> None:
        super().__init__(settings)
        self._starting = Lock()
        self._running: RunningEmulator | None = None

    def api(self) -> Api:
        running, settings = self._started(), self._settings
        scope = f"{running.endpoint}/.default"
        return Api(
            running.endpoint,
            settings.subscription,
            settings.resource_group,
            self.credential(),
            scope,
            running.ca,
        )

    def credential(self) -> Credential:
        return _EmulatorCredential(self._started())

    def storage_credential(self) -> Any:
        return None

    def _started(self) -> RunningEmulator:
        from reconciler.providers.emulator.server import EmulatorSettings, start

        settings = self._settings
        with self._starting:
            if self._running is None:
                own = EmulatorSettings(
                    settings.data, time_scale=settings.time_scale, subscription=settings.subscription
                )
                self._running = start(own)
                self._running.make_group(settings.resource_group)
            return self._running

    def close(self) -> None:
        if self._running is not None:
            self._running.stop()


class _EmulatorCredential:
    """Tokens issued by the emulator in this process."""

    def __init__(self, running: RunningEmulator) -> None:
        self._running = running

    def get_token(self, *_scopes: str, **_more: Any) -> AccessToken:
        import time

        from azure.core.credentials import AccessToken

        lifetime_s = 3600
        return AccessToken(self._running.token(lifetime_s), int(time.time()) + lifetime_s)
