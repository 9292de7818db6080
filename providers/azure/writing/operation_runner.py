"""Operations from one look at the service to the next, with what goes wrong on the way.

An operation is always the same loop: ask how the service's part stands, look at the object afresh, make the next move.
So a run that was interrupted, an answer that got lost and a write of somebody else are all met in one way: by looking.
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
    """Begins and continues operations. `patience_s` is how long one may take in all."""

    def __init__(self, api: Api, uploads: Uploads, version_id: Callable[[str], str], patience_s: float) -> None:
        self._api, self._uploads, self._version_id, self._patience_s = api, uploads, version_id, patience_s

    def proceed(self, handle: OperationHandle, progress: ProgressCallback) -> Done | InProgress:
        """Until the operation is over, or something has to be waited for."""
        answer = self._proceed(handle, progress)
        return self._in_time(handle) or answer if isinstance(answer, InProgress) else answer

    def _proceed(self, handle: OperationHandle, progress: ProgressCallback) -> Done | InProgress:
        try:
            for _ in range(_TURNS):
                answer = self._turn(handle, progress)
                if answer is not None:
                    return answer
        except CallFailed as failed:
            return self._after(handle, failed)
        except ProviderError as error:
            return self._retried(handle, error) if error.retryable else handle.failed(error)
        raise ProviderError(f"{handle.unit}: no end after {_TURNS} moves. This is a bug.")

    def _turn(self, handle: OperationHandle, progress: ProgressCallback) -> Done | InProgress | None:
        run: ContainerWriter | VersionWriter
        if handle.unit.kind is Kind.IMAGE_VERSION:
            run = version = VersionWriter(self._api, self._uploads, handle, progress, self._version_id)
            waiting = version.waiting
        else:
            run, waiting = ContainerWriter(self._api, handle, time.time()), handle.wait
        if handle.url:
            try:
                stands = self._api.progress(handle.url)
            except CallFailed as failed:
                if not failed.missing:
                    raise
                handle.url = ""  # forgotten by the service: the object tells how it went
                return None
            handle.tries = 0
            if not stands.over:
                handle.polls += 1
                return waiting(stands.retry_after_s)
            handle.url, handle.failure = "", stands.error
        return run.turn()

    def _in_time(self, handle: OperationHandle) -> Done | None:
        """The end of an operation that takes too long; the service may still finish it, and the next run looks."""
        if time.time() - handle.since <= self._patience_s:
            return None
        minutes = round(self._patience_s / 60)
        error = ProviderError(
            f"{handle.unit} is not done after {minutes} minutes; the service may still be at it",
            "apply again later, or raise `timeoutMinutes` of the provider",
        )
        return handle.failed(error)

    def _after(self, handle: OperationHandle, failed: CallFailed) -> Done | InProgress:
        """What to do about a call that failed: wait for what passes, give up on what does not."""
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
