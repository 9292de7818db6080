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
from reconciler.providers.azure.writing.galleries import ContainerRun
from reconciler.providers.azure.writing.operation_handle import Work
from reconciler.providers.azure.writing.versions import VersionRun
from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import Done, InProgress, ProgressCallback

_MOST_TRIES = 10
_BUSY_PAUSE_S = 5.0
_SETTLING_S = 300.0
_TURNS = 50


class Running:
    """Begins and continues operations. `patience_s` is how long one may take in all."""

    def __init__(self, api: Api, uploads: Uploads, version_id: Callable[[str], str], patience_s: float) -> None:
        self._api, self._uploads, self._version_id, self._patience_s = api, uploads, version_id, patience_s

    def go_on(self, work: Work, progress: ProgressCallback) -> Done | InProgress:
        """Until the operation is over, or something has to be waited for."""
        answer = self._moved(work, progress)
        return self._in_time(work) or answer if isinstance(answer, InProgress) else answer

    def _moved(self, work: Work, progress: ProgressCallback) -> Done | InProgress:
        try:
            for _ in range(_TURNS):
                answer = self._turn(work, progress)
                if answer is not None:
                    return answer
        except CallFailed as failed:
            return self._after(work, failed)
        except ProviderError as error:
            return self._retried(work, error) if error.retryable else work.failed(error)
        raise ProviderError(f"{work.unit}: no end after {_TURNS} moves. This is a bug.")

    def _turn(self, work: Work, progress: ProgressCallback) -> Done | InProgress | None:
        run: ContainerRun | VersionRun
        if work.unit.kind is Kind.IMAGE_VERSION:
            run = version = VersionRun(self._api, self._uploads, work, progress, self._version_id)
            waiting = version.waiting
        else:
            run, waiting = ContainerRun(self._api, work, time.time()), work.wait
        if work.url:
            try:
                stands = self._api.progress(work.url)
            except CallFailed as failed:
                if not failed.missing:
                    raise
                work.url = ""  # forgotten by the service: the object tells how it went
                return None
            work.tries = 0
            if not stands.over:
                work.polls += 1
                return waiting(stands.retry_after_s)
            work.url, work.failure = "", stands.error
        return run.turn()

    def _in_time(self, work: Work) -> Done | None:
        """The end of an operation that takes too long; the service may still finish it, and the next run looks."""
        if time.time() - work.since <= self._patience_s:
            return None
        minutes = round(self._patience_s / 60)
        error = ProviderError(
            f"{work.unit} is not done after {minutes} minutes; the service may still be at it",
            "apply again later, or raise `timeoutMinutes` of the provider",
        )
        return work.failed(error)

    def _after(self, work: Work, failed: CallFailed) -> Done | InProgress:
        """What to do about a call that failed: wait for what passes, give up on what does not."""
        if failed.throttled:
            pause = _BUSY_PAUSE_S if failed.retry_after_s is None else failed.retry_after_s
            return work.wait(pause)
        if failed.busy:
            work.tries += 1
            return work.wait(failed.retry_after_s)
        if failed.parent_missing and time.time() - work.since < _SETTLING_S:
            work.tries += 1
            return work.wait(failed.retry_after_s)
        error = explained(failed, f"{work.unit}", styles_of(work.operation.version))
        if not failed.transient:
            return work.failed(error)
        if failed.expired:
            self._api.renew()
        return self._retried(work, error, failed.retry_after_s)

    def _retried(self, work: Work, error: ProviderError, seconds: float | None = None) -> Done | InProgress:
        work.tries += 1
        if work.tries > _MOST_TRIES:
            return work.failed(error)
        return work.wait(seconds)
