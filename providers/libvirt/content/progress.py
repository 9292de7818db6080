"""How far a region is, in bytes of its disks, told rarely enough for anybody who listens."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from reconciler.manifests.address import Address
from reconciler.providers.protocol import ProgressCallback

_STEPS = 50


class Tally:
    """The bytes of one region: `total` is known before the first is moved. What was done stays done."""

    def __init__(self, address: Address, total: int, progress: ProgressCallback) -> None:
        self._address, self._total, self._progress = address, total, progress
        self._done = 0
        self._told = -1
        self._lock = Lock()

    def reach(self, done: int) -> None:
        """Tells that so many bytes are done, if that is news worth telling."""
        with self._lock:
            self._done = max(self._done, min(done, self._total))
            if self._done - self._told >= max(1, self._total // _STEPS) or self._told < self._done == self._total:
                self._told = self._done
                self._progress(self._address, self._done, self._total)


class Meter:
    """A stretch of a tally: the bytes of one disk, which may be gone through several times."""

    def __init__(self, tally: Tally, start: int, size: int) -> None:
        self._tally, self._start, self._size = tally, start, size

    def reach(self, number: int, parts: int) -> None:
        """So many of the parts are done."""
        self._tally.reach(self._start + self._size * number // parts)

    def part(self, number: int, parts: int, length: int) -> Callable[[int], None]:
        """What is to be told of the `number`th of `parts` passes, in which `length` bytes are gone through."""
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            done += more
            passed = self._size * (number - 1) + self._size * min(done, length) // max(1, length)
            self._tally.reach(self._start + passed // parts)

        return advance

    def so_far(self, length: int) -> Callable[[int], None]:
        """What is to be told how many of `length` bytes there are now; the last of them are for `reach` to tell."""
        return lambda now: self._tally.reach(self._start + self._size * min(now, length - 1) // max(1, length))

    def within(self, number: int, parts: int) -> Meter:
        """The `number`th of `parts` parts, as a meter of its own."""
        return Meter(self._tally, self._start + self._size * (number - 1) // parts, self._size // parts)
