"""Time as a parameter: the clock, and how long operations take."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since 1970."""
        ...


class SystemClock:
    def now(self) -> float:
        return time.time()


class ManualClock:
    """A clock that only moves when `advance` is called: for tests."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds


@dataclass(frozen=True, slots=True)
class Durations:
    """How long operations take, in seconds: as measured on the real service, times `scale`.

    Source: recordings of the Azure CLI's gallery tests (a 40 GB image, one region).
    """

    scale: float = 1.0
    gallery_write: float = 2.0
    definition_write: float = 1.0
    share: float = 5.0
    home_copy: float = 400.0
    next_region: float = 20.0
    version_delay: float = 7.0
    version_delete: float = 90.0
    container_delete: float = 1.0
    parent_lag: float = 20.0

    def scaled(self, seconds: float) -> float:
        return seconds * self.scale

    def retry_after_s(self, seconds: float) -> int:
        """Whole seconds for a Retry-After header; 0 only when operations take no time."""
        return math.ceil(self.scaled(seconds))
