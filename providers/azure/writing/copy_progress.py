"""Reports the progress of an operation on a version, in bytes of its images: first the upload, then the copying."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.providers.azure.observation.observed_objects import ServiceObject
from reconciler.providers.azure.writing.operation_handle import OperationHandle
from reconciler.providers.protocol import ProgressCallback


class CopyProgress:
    """Reports to `progress` how far the regions are that an operation fills."""

    def __init__(self, handle: OperationHandle, progress: ProgressCallback) -> None:
        self._handle, self._progress = handle, progress

    def uploaded(self, done: int, total: int) -> None:
        """Reports an upload, which is half of the work."""
        for step in self._handle.filled_regions:
            self._progress(step.address, done, 2 * total)

    def copied(self, version: ServiceObject, computed: Mapping[str, Any], *, over: bool = False) -> None:
        """Reports what the service has copied of the disks in `computed`; `over`: it copies nothing any more."""
        size = sum(int(disk.get("virtualSize", 0)) for disk in computed.get("disks", {}).values())
        before = size if self._handle.staged else 0
        for step in self._handle.filled_regions:
            status = (version.replication or {}).get(step.address.region)
            if size and status is not None and step.address.region in self._handle.attempted:
                percent = 100 if over and version.completed(step.address.region) else min(status.percent, 99)
                self._progress(step.address, before + size * percent // 100, before + size)
