"""The progress of a region, in bytes of its disks, reported at most about fifty times."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from reconciler.manifests.address import Address
from reconciler.providers.protocol import ProgressCallback

_REPORTS = 50


class RegionProgress:
    """The bytes of one region that are done. `total` is known before the first is moved; progress never goes back."""

    def __init__(self, address: Address, total: int, progress: ProgressCallback) -> None:
        self._address, self._total, self._progress = address, total, progress
        self._done = 0
        self._reported = -1
        self._lock = Lock()

    def report(self, done: int) -> None:
        """Sets the number of bytes done, and passes it on if enough of them are new."""
        with self._lock:
            self._done = max(self._done, min(done, self._total))
            enough = self._done - self._reported >= max(1, self._total // _REPORTS)
            if enough or self._reported < self._done == self._total:
                self._reported = self._done
                self._progress(self._address, self._done, self._total)


class VolumeProgress:
    """One volume's share of a region's progress: `size` bytes from `start`, which may be processed several times."""

    def __init__(self, region: RegionProgress, start: int, size: int) -> None:
        self._region, self._start, self._size = region, start, size

    def parts_done(self, number: int, parts: int) -> None:
        """Reports that `number` of `parts` passes are done."""
        self._region.report(self._start + self._size * number // parts)

    def part(self, number: int, parts: int, length: int) -> Callable[[int], None]:
        """A callback for pass `number` of `parts`, which processes `length` bytes: it takes the bytes since its last
        call."""
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            done += more
            passed = self._size * (number - 1) + self._size * min(done, length) // max(1, length)
            self._region.report(self._start + passed // parts)

        return advance

    def growth(self, length: int) -> Callable[[int], None]:
        """A callback that takes how many of `length` bytes exist so far. It never completes the volume; `parts_done`
        does."""
        return lambda now: self._region.report(self._start + self._size * min(now, length - 1) // max(1, length))

    def section(self, number: int, parts: int) -> VolumeProgress:
        """Pass `number` of `parts` as a progress of its own."""
        return VolumeProgress(self._region, self._start + self._size * (number - 1) // parts, self._size // parts)
