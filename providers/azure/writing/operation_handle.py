"""The handle of an operation in progress: what has to be done and how far it is, for this or another process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.manifests.address import Address
from reconciler.providers.common import operation_json
from reconciler.providers.errors import ProviderError
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Done, InProgress, Operation, Results, Step, Verb

_LONGEST_PAUSE_S = 30.0
_FIRST_PAUSE_S = 0.2


@dataclass(slots=True)
class OperationHandle:
    """The operation, and its progress.

    `url`: where to poll the running write; empty when there is none. `failure`: the error of the last write, if it
    failed. `tries`: consecutive calls that failed. `polls`: how often the running write was not over yet. `writes`: how
    often the object was written. `attempted` and `removed`: the regions that this operation has written, and those that
    it removed first. `disks`: the values computed from the sources, and `staged`: whether their blobs have to be
    removed. `restored`: a soft-deleted version was restored. `place`: the identity of the resource group in which the
    operation began; another one knows nothing of it.
    """

    operation: Operation
    since: float = field(default_factory=time.time)
    url: str = ""
    failure: Mapping[str, Any] | None = None
    tries: int = 0
    polls: int = 0
    writes: int = 0
    attempted: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    disks: Mapping[str, Any] | None = None
    staged: bool = False
    restored: bool = False
    place: str = ""

    @property
    def unit(self) -> Address:
        return self.operation.unit

    @property
    def own(self) -> Step | None:
        """The step on the unit itself."""
        return next((step for step in self.operation.steps if step.address == self.unit), None)

    @property
    def region_steps(self) -> list[Step]:
        return [step for step in self.operation.steps if step.address.region]

    @property
    def filled_regions(self) -> list[Step]:
        """The steps that copy to a target region."""
        return [step for step in self.region_steps if step.verb in (Verb.CREATE, Verb.REPLACE)]

    @property
    def deletes_unit(self) -> bool:
        return self.own is not None and self.own.verb is Verb.DELETE

    def written(self) -> dict[str, Any]:
        """The handle as JSON-shaped values, without secrets; `read` reads it."""
        return {
            "operation": operation_json.encode(self.operation),
            "since": self.since,
            "url": self.url,
            "failure": self.failure,
            "tries": self.tries,
            "polls": self.polls,
            "writes": self.writes,
            "attempted": sorted(self.attempted),
            "removed": sorted(self.removed),
            "disks": self.disks,
            "staged": self.staged,
            "restored": self.restored,
            "place": self.place,
        }

    @classmethod
    def read(cls, written: Mapping[str, Any], writer: Writer) -> OperationHandle:
        """The handle that `written` returned, perhaps in another process."""
        handle = cls(operation_json.decode(written["operation"], writer), since=written["since"], url=written["url"])
        handle.failure, handle.tries, handle.polls = written["failure"], written["tries"], written["polls"]
        handle.writes, handle.staged = written["writes"], written["staged"]
        handle.attempted, handle.removed = set(written["attempted"]), set(written["removed"])
        handle.disks, handle.restored = written["disks"], written["restored"]
        handle.place = written.get("place", "")
        return handle

    def wait(self, seconds: float | None, results: Results | None = None) -> InProgress:
        """The answer to poll again after `seconds`; None means exponential backoff."""
        if seconds is None:
            seconds = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self.tries + self.polls, 10))
        return InProgress(self.written(), seconds, results or {})

    def failed(self, error: ProviderError) -> Done:
        """The end of the operation, with one error for all steps."""
        return Done({step.address: error for step in self.operation.steps})
