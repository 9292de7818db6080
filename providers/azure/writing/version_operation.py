"""What all operations on an image version have in common: who writes, the uploads of its disks, the write that runs."""

from __future__ import annotations

from reconciler.providers.azure.images.disk_sources import styles_of
from reconciler.providers.azure.images.source_uploads import Uploads
from reconciler.providers.azure.observation.observed_objects import ServiceObject, require_writable
from reconciler.providers.azure.service.api import Api, Json, StartedWrite
from reconciler.providers.azure.writing.copy_progress import CopyProgress
from reconciler.providers.azure.writing.operation_handle import OperationHandle
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.owner import OwnerMark, Writer
from reconciler.providers.protocol import InProgress, ProgressCallback


class VersionOperation:
    """An operation on a version: what is done, and how far it is."""

    def __init__(self, api: Api, uploads: Uploads, handle: OperationHandle, progress: ProgressCallback) -> None:
        self._api, self._uploads, self._handle = api, uploads, handle
        self._callback, self._progress = progress, CopyProgress(handle, progress)

    @property
    def _writer(self) -> Writer:
        return self._handle.operation.writer

    @property
    def _mark(self) -> OwnerMark:
        return self._writer.owner.mark(self._handle.unit)

    @property
    def _is_shallow(self) -> bool:
        return (self._handle.operation.version or {}).get("replicationMode") == "Shallow"

    @property
    def _styles(self) -> tuple[str, ...]:
        return styles_of(self._handle.operation.version)

    def _require_writable(self, version: ServiceObject) -> None:
        """Raises: ObjectConflict, ProviderError for a version that is not ours to write."""
        try:
            require_writable(version, self._handle.unit, self._writer)
        except ObjectConflict:
            self._clean_up()
            raise

    def _clean_up(self, *, force: bool = False) -> None:
        """Removes the uploaded disks: the service has its own copies, unless the version is Shallow."""
        if force or (self._handle.staged and not self._is_shallow):
            self._uploads.remove(self._writer, self._handle.unit)
            self._handle.staged = False

    def _put(self, body: Json) -> StartedWrite:
        return self._api.put_version(self._writer, *self._handle.unit[:3], body)

    def _await_write(self, started: StartedWrite) -> InProgress | None:
        self._handle.writes += 1
        self._handle.tries = self._handle.polls = 0
        self._handle.failure = None
        self._handle.url = started.url
        return self._handle.wait(started.retry_after_s or 0.0) if started.url else None
