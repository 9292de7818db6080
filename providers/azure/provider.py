"""The `azure` backend: Azure Compute Gallery, and every other service with its API."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.regions import canonical_region
from reconciler.manifests.values import Attributes
from reconciler.providers.azure.clouds import CLOUDS
from reconciler.providers.azure.configuration import Configuration, configuration_of
from reconciler.providers.azure.disk_limits import LARGEST_DISK_BYTES
from reconciler.providers.azure.images.disk_sources import ALIKE, STYLES, UPLOADED, Sources, version_id
from reconciler.providers.azure.images.source_uploads import Uploads
from reconciler.providers.azure.observation.scan import fetch, read, scan
from reconciler.providers.azure.service.api import Api
from reconciler.providers.azure.service.credentials import Credential, credential, scope
from reconciler.providers.azure.service.failures import CallFailed, explained
from reconciler.providers.azure.service.places import Place, place_of, why_unknown
from reconciler.providers.azure.storage_settings import AUTO
from reconciler.providers.azure.writing.operation_handle import OperationHandle
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError, Unavailable
from reconciler.providers.owner import Owner, Writer
from reconciler.providers.protocol import (
    Capabilities,
    Done,
    InProgress,
    Observed,
    Operation,
    ProgressCallback,
    Scan,
    Scope,
    SourceFacts,
)
from reconciler.providers.registry import ProviderConfig, require

if TYPE_CHECKING:
    from reconciler.providers.azure.images.staging import Staging
    from reconciler.providers.azure.writing.operation_runner import OperationRunner

LIBRARIES = ("azure.core", "azure.identity", "azure.mgmt.compute", "azure.storage.blob")
"""The packages that are loaded with the first call, and have to be installed before it."""

_WORKERS = 16


def create_provider(config: ProviderConfig) -> AzureProvider:
    """The backend for these settings.

    Raises: ModuleNotFoundError when a library is not installed.
    """
    settings = configuration_of(config)
    require(*LIBRARIES)
    return AzureProvider(settings, ServiceConnection(settings))


class ServiceConnection:
    """The endpoint and the credentials of a provider. `api` is called once, with the first call to the service."""

    def __init__(self, settings: Configuration) -> None:
        self._settings = settings

    def api(self) -> Api:
        """A client for the service. Raises: ProviderError when the environment has no credentials."""
        settings = self._settings
        return Api(
            settings.endpoint,
            settings.subscription,
            settings.resource_group,
            self.credential(),
            scope(settings),
            settings.ca,
        )

    def credential(self) -> Credential:
        return credential(self._settings, self._settings.ca)

    def storage_credential(self) -> Any:
        """The credential for the storage account: the same on Azure; None for an emulator, where a key is used."""
        return self.credential() if self._settings.type == "azure" else None

    def close(self) -> None:
        """Releases what `api` has started: nothing, for a service that others run."""


class AzureProvider:
    """A `Provider` on a resource group. It makes no call before one of its methods is used."""

    def __init__(self, settings: Configuration, connection: ServiceConnection) -> None:
        self._settings = settings
        self._connection = connection
        self._opening = RLock()
        self._opened: Api | None = None
        self._staging: Staging | None = None
        self._sources = Sources(lambda: self._api, str(settings.project), settings.trust)

    @property
    def _api(self) -> Api:
        with self._opening:
            if self._opened is None:
                self._opened = self._connection.api()
            return self._opened

    @cached_property
    def _regions(self) -> frozenset[str] | None:
        """The regions of the subscription; None when they cannot be listed: the service then refuses unknown ones."""
        try:
            return frozenset(canonical_region(str(location["name"])) for location in self._api.locations())
        except CallFailed:
            return None

    def capabilities(self) -> Capabilities:
        return Capabilities(
            regions=self._regions,
            sources=STYLES if self._settings.storage is not None else STYLES - UPLOADED,
            sharing=frozenset({"Private", "Groups", "Community"}),
            replication_modes=frozenset({"Full", "Shallow"}),
            encryption=True,
            alike=ALIKE,
            workers=_WORKERS,
            patience_s=self._settings.timeout_s,
            keeps_protection=True,
            home_region_fixed=True,
            regions_need_permission=True,
            largest_disk_bytes=LARGEST_DISK_BYTES,
        )

    def scan(self, scope: Scope, progress: ProgressCallback | None = None) -> Scan:
        why = why_unknown(scope.places, self._place) if scope.places else ""
        if why:
            return Scan(unreachable=dict.fromkeys(scope.wanted, why))
        return scan(self._api, scope, progress)

    def read(self, address: Address) -> Observed | None:
        return read(self._api, address)

    def source_identity(self, source: Mapping[str, Any]) -> str:
        return self._sources.identity(source)

    def source_facts(self, source: Mapping[str, Any], definition: Attributes | None = None) -> SourceFacts:
        if source.keys() & UPLOADED:
            self._find_azurite()
        return self._sources.facts(source, definition)

    def source_digest(
        self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None = None, *, plain: bool = False
    ) -> ContentDigest:
        return self._sources.digest(source, progress, plain=plain)

    def begin(self, operation: Operation, progress: ProgressCallback) -> Done | InProgress:
        return self._runner.proceed(OperationHandle(operation, place=self._place.identity), progress)

    def poll(self, handle: Mapping[str, Any], writer: Writer, progress: ProgressCallback) -> Done | InProgress:
        read = OperationHandle.read(handle, writer)
        if why := why_unknown({"": read.place} if read.place else {}, self._place):
            raise ProviderError(f"{read.unit} cannot be continued: {why}")
        return self._runner.proceed(read, progress)

    def claim(self, regions: Collection[str], writer: Writer) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return dict.fromkeys(regions or ("",), self._place.identity)

    @cached_property
    def _place(self) -> Place:
        """The resource group. Raises: Unavailable when an emulator does not say which one it is."""
        settings = self._settings
        try:
            return place_of(settings, "" if settings.endpoint in CLOUDS else self._api.emulator())
        except CallFailed as failed:
            raise Unavailable(*_sentences(failed, "the emulator cannot be reached")) from failed

    def tidy(self, addresses: Sequence[Address], writer: Writer, declared: Collection[Address] = ()) -> None:
        """Removes uploads that are no longer needed. An interrupted upload is kept, to be continued, if its version is
        still declared. Versions without a complete copy are left to the plan, which recreates them."""
        for version in sorted({address.unit for address in addresses if address.version}):
            if not self._needs_its_source(version, writer.owner, still_wanted=version in declared):
                self._uploads.remove(writer, version)

    def _needs_its_source(self, version: Address, owner: Owner, *, still_wanted: bool) -> bool:
        """Whether a version of ours still has to be created, or is shallow. Raises: ProviderError."""
        try:
            obj = fetch(self._api, version)
        except CallFailed as failed:
            raise explained(failed, f"{version} cannot be read") from failed
        if obj is None:
            return still_wanted
        if not obj.is_ours(owner, version):
            return False
        return obj.in_flight or obj.attributes.get("replicationMode") == "Shallow"

    @cached_property
    def _runner(self) -> OperationRunner:
        from reconciler.providers.azure.writing.operation_runner import OperationRunner

        galleries = self._settings.galleries_id
        return OperationRunner(
            self._api, self._uploads, lambda named: version_id(galleries, named), self._settings.timeout_s
        )

    @cached_property
    def _uploads(self) -> Uploads:
        return Uploads(self._sources, self._stage if self._settings.storage is not None else None)

    def _find_azurite(self) -> None:
        """Raises: ProviderError when files would be uploaded to an Azurite that we run, and it is not installed."""
        from reconciler.providers.azure.azurite import find_program

        storage = self._settings.storage
        if storage is not None and storage.endpoint == AUTO:
            find_program(self._settings.project)

    def _stage(self) -> Staging:
        with self._opening:
            if self._staging is None:
                self._staging = _staging(self._settings, self._connection)
            return self._staging

    def close(self) -> None:
        if self._staging is not None:
            self._staging.close()
        if self._opened is not None:
            self._opened.close()
        self._connection.close()


def _sentences(failed: CallFailed, doing: str) -> tuple[str, str]:
    error = explained(failed, doing)
    return error.message, error.remedy


def _staging(settings: Configuration, connection: ServiceConnection) -> Staging:
    from reconciler.providers.azure.azurite import Azurite
    from reconciler.providers.azure.images.staging import Staging

    storage = settings.storage
    if storage is None:
        raise Unavailable("no storage account is set up. This is a bug.")
    azurite = None
    if storage.endpoint == AUTO:
        azurite = Azurite(settings.data / "blobs", settings.project)
    return Staging(storage, connection.storage_credential(), azurite)
