"""Runs operations from one read of the service to the next, and handles failures.

An operation is a loop: poll the running write, read the object again, make the next write. Interrupted runs, lost
answers and writes of other clients are therefore all handled in the same way: by reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from reconciler.manifests.address import Kind
from reconciler.providers.azure.images.disk_sources import styles_of
from reconciler.providers.azure.images.source_uploads import Uploads
from reconciler.providers.azure.service.api import Api
from reconciler.providers.azure.service.failures import CallFailed, explained
from reconciler.providers.azure.writing.galleries import ContainerWriter
from reconciler.providers.azure.writing.operation_handle import OperationHandle
from reconciler.providers.azure.writing.versions import VersionWriter
from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import Done, InProgress, ProgressCallback

_MOST_TRIES = 10
_BUSY_PAUSE_S = 5.0
_PROPAGATION_S = 300.0
_TURNS = 50


class OperationRunner:
    """Starts and continues operations. `patience_s` is how long one may take in total."""

    def __init__(self, api: Api, uploads: Uploads, version_id: Callable[[str], str], patience_s: float) -> None:
        self._api, self._uploads, self._version_id, self._patience_s = api, uploads, version_id, patience_s

    def proceed(self, handle: OperationHandle, progress: ProgressCallback) -> Done | InProgress:
        """Continues an operation until it is done, or has to wait."""
        answer = self._proceed(handle, progress)
        return self._in_time(handle) or answer if isinstance(answer, InProgress) else answer

    def _proceed(self, handle: OperationHandle, progress: ProgressCallback) -> Done | InProgress:
        try:
            for _ in range(_TURNS):
                answer = self._turn(handle, progress)
                if answer is not None:
                    return answer
        except CallFailed as failed:
            return self._after_failure(handle, failed)
        except ProviderError as error:
            return self._retried(handle, error) if error.retryable else handle.failed(error)
        raise ProviderError(f"{handle.unit}: not done after {_TURNS} writes. This is a bug.")

    def _turn(self, handle: OperationHandle, progress: ProgressCallback) -> Done | InProgress | None:
        writer: ContainerWriter | VersionWriter
        if handle.unit.kind is Kind.IMAGE_VERSION:
            writer = version = VersionWriter(self._api, self._uploads, handle, progress, self._version_id)
            waiting = version.waiting
        else:
            writer, waiting = ContainerWriter(self._api, handle, time.time()), handle.wait
        if handle.url:
            try:
                write_progress = self._api.progress(handle.url)
            except CallFailed as failed:
                if not failed.missing:
                    raise
                handle.url = ""  # the service no longer knows it: the object shows the result
                return None
            handle.tries = 0
            if not write_progress.over:
                handle.polls += 1
                return waiting(write_progress.retry_after_s)
            handle.url, handle.failure = "", write_progress.error
        return writer.turn()

    def _in_time(self, handle: OperationHandle) -> Done | None:
        """The end of an operation that takes too long; None while it may continue. The service may still finish it."""
        if time.time() - handle.since <= self._patience_s:
            return None
        minutes = round(self._patience_s / 60)
        error = ProviderError(
            f"{handle.unit} is not done after {minutes} minutes; the service may still be working on it",
            "apply again later, or raise `timeoutMinutes` of the provider",
        )
        return handle.failed(error)

    def _after_failure(self, handle: OperationHandle, failed: CallFailed) -> Done | InProgress:
        """The answer to a failed call: wait if the failure is temporary, else fail."""
        if failed.throttled:
            pause = _BUSY_PAUSE_S if failed.retry_after_s is None else failed.retry_after_s
            return handle.wait(pause)
        if failed.busy:
            handle.tries += 1
            return handle.wait(failed.retry_after_s)
        if failed.parent_missing and time.time() - handle.since < _PROPAGATION_S:
            handle.tries += 1
            return handle.wait(failed.retry_after_s)
        error = explained(failed, f"{handle.unit}", styles_of(handle.operation.version))
        if not failed.transient:
            return handle.failed(error)
        if failed.expired:
            self._api.renew()
        return self._retried(handle, error, failed.retry_after_s)

    def _retried(
        self, handle: OperationHandle, error: ProviderError, seconds: float | None = None
    ) -> Done | InProgress:
        handle.tries += 1
        if handle.tries > _MOST_TRIES:
            return handle.failed(error)
        return handle.wait(seconds)
