"""The emulator as a server: all its parts together, in a thread of this process or in the foreground."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.manifests.private_files import OWNER_ONLY, private_folder, write_private
from reconciler.providers.emulator.assembly import create_service
from reconciler.providers.emulator.content.content_users import used_content
from reconciler.providers.emulator.content.disk_content import DiskContents
from reconciler.providers.emulator.core.arm import ArmError, ArmRequest
from reconciler.providers.emulator.core.clock import Clock, Durations, SystemClock
from reconciler.providers.emulator.core.injected_faults import Fault, read_faults
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Store
from reconciler.providers.emulator.http.admin import set_faults
from reconciler.providers.emulator.http.app import create_app
from reconciler.providers.emulator.http.identity import Identity
from reconciler.providers.emulator.http.listener import Listener, bind
from reconciler.providers.emulator.http.request_log import RequestLog
from reconciler.providers.emulator.http.request_pipeline import RequestPipeline
from reconciler.providers.emulator.http.throttling import Budgets
from reconciler.providers.emulator.http.tls import ca_file, server_context
from reconciler.providers.emulator.http.tokens import LIFETIME_S, Credentials, Tokens, load_credentials
from reconciler.providers.errors import ProviderError

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
TENANT = "11111111-1111-1111-1111-111111111111"
GROUP, HOME = "images", "eastus"
"""The resource group that projects use by default, and its location."""

_GROUPS_VERSION = "2024-11-01"
SCRIPT_TOKEN_S = 24 * 3600
_LOOPBACK = ("127.0.0.1", "localhost")
_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104  only compared with


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """How an emulator is started. `port` 0 means any free port; `faults` is a file with the faults to start with;
    `storage` is the connection string of a storage account whose blobs may be read besides those on this host."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 0
    time_scale: float = 1.0
    faults: Path | None = None
    budgets: bool = False
    subscription: str = SUBSCRIPTION
    tenant: str = TENANT
    storage: str = field(default="", repr=False)
    clock: Clock = field(default_factory=SystemClock)


class RunningEmulator:
    """An emulator that answers at `endpoint` until `stop`."""

    def __init__(self, settings: EmulatorSettings) -> None:
        """Returns when it answers. Raises: ProviderError; OSError when the data directory cannot be used."""
        faults = _read_faults(settings.faults) if settings.faults else []
        self.data = settings.data.absolute()
        private_folder(self.data)
        bound = bind(settings.host, settings.port)
        try:
            names = _names(settings.host)
            self.endpoint = f"https://{names[0]}:{bound.getsockname()[1]}"
            context = server_context(self.data, names)
            self._tokens = Tokens(load_credentials(self.data), settings.tenant, settings.clock, frozenset(names))
            self._store = Store(self.data / "emulator.db")
            (self.data / "emulator.db").chmod(OWNER_ONLY)  # and with it what SQLite keeps beside it
        except BaseException:
            bound.close()
            raise
        self.service: Service = _service(settings, self._store)
        set_faults(self.service, faults)
        self.ca = ca_file(self.data)
        self.subscription, self.tenant = settings.subscription, settings.tenant
        self.request_log = RequestLog()
        budgets = Budgets(settings.clock) if settings.budgets else None
        identity = Identity(self._tokens, self._store.emulator_id)
        pipeline = RequestPipeline(
            self.service, self._tokens, identity, self.request_log, budgets, frozenset(map(str.lower, names))
        )
        self._listener = Listener(create_app(pipeline), bound, context)

    @property
    def credentials(self) -> Credentials:
        return self._tokens.credentials

    @property
    def client_id(self) -> str:
        return self.credentials.client_id

    @property
    def client_secret(self) -> str:
        return self.credentials.client_secret

    def token(self, lifetime_s: float = LIFETIME_S) -> str:
        """A token for this service, valid for so many seconds."""
        return self._tokens.issue(self.endpoint, lifetime_s)

    def make_group(self, name: str) -> None:
        """Creates a resource group unless it exists."""
        path, version = f"/subscriptions/{self.subscription}/resourceGroups/{name}", {"api-version": _GROUPS_VERSION}
        try:
            self.service.handle(ArmRequest("GET", path, version))
        except ArmError as error:
            if error.status != 404:
                raise
            self.service.handle(ArmRequest("PUT", path, version, {"location": HOME}))

    def stop_soon(self) -> None:
        """Asks the server to stop; safe in a signal handler."""
        self._listener.stop_soon()

    def wait(self) -> None:
        """Returns when the server has stopped."""
        self._listener.wait()

    def stop(self) -> None:
        """Stops the server, after a second for running requests, and closes its files. Does nothing the second time."""
        self.stop_soon()
        self.wait()
        self._store.close()


def start(settings: EmulatorSettings) -> RunningEmulator:
    """An emulator in a thread of this process, which already answers. Raises: ProviderError."""
    return RunningEmulator(settings)


def serve(settings: EmulatorSettings, ready_file: Path | None, announce: Callable[[RunningEmulator], None]) -> None:
    """Runs an emulator until the process is interrupted or terminated. Raises: ProviderError.

    Readers of `ready_file` find either no file, or the complete file of an emulator that already answers.
    """
    if ready_file:
        ready_file.unlink(missing_ok=True)
    running = start(settings)
    running.make_group(GROUP)
    before = {
        number: signal.signal(number, lambda *_: running.stop_soon()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        announce(running)
        if ready_file:
            write_private(ready_file, json.dumps(description(running), indent=2) + "\n")
        running.wait()
    finally:
        running.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def description(running: RunningEmulator) -> dict[str, str]:
    """Everything that a script needs to use an emulator, including secrets."""
    return {
        "endpoint": running.endpoint,
        "ca": str(running.ca),
        "subscription": running.subscription,
        "tenant": running.tenant,
        "token": running.token(SCRIPT_TOKEN_S),
        "clientId": running.client_id,
        "clientSecret": running.client_secret,
    }


def _names(host: str) -> list[str]:
    """The names under which clients reach the service, starting with the one in its endpoint."""
    if host in _LOOPBACK:
        return ["localhost", "127.0.0.1", "::1"]
    if host in _ANYWHERE:
        return ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    return [host, "localhost", "127.0.0.1", "::1"]


def _service(settings: EmulatorSettings, store: Store) -> Service:
    contents = DiskContents(settings.data / "disks", connection_string=settings.storage)
    contents.keep_only(used_content(store))
    return create_service(
        store,
        settings.subscription,
        settings.tenant,
        contents,
        clock=settings.clock,
        durations=Durations(scale=settings.time_scale),
    )


def _read_faults(path: Path) -> list[Fault]:
    try:
        return read_faults(json.loads(path.read_text("utf-8")))
    except ValueError as error:
        raise ProviderError(f"{path}: {error}", "correct the faults file") from error
