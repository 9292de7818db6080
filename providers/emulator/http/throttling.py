"""Request budgets: how many requests of a kind are answered within three minutes, and within thirty.

Source: the first `x-ms-ratelimit-remaining-resource` headers in recordings of the Azure CLI's gallery tests. Budgets
that do not occur there are those of the most similar kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from threading import Lock

from reconciler.providers.emulator.core.arm import COMPUTE, ArmError
from reconciler.providers.emulator.core.clock import Clock

LIMITS: Mapping[str, tuple[int, int]] = {
    "CreateUpdateGallery": (50, 300),
    "CreateUpdateGalleryImage": (150, 750),
    "CreateUpdateGalleryImageVersion": (375, 1_200),
    "DeleteGallery": (50, 300),
    "DeleteGalleryImage": (50, 300),
    "DeleteGalleryImageVersion": (150, 1_000),
    "GetGallery": (350, 2_500),
    "GetGalleryImage": (350, 2_500),
    "GetGalleryImageVersion": (2_000, 10_000),
    "GetOperationStatus": (5_000, 15_000),
    "ListGalleryInResourceGroup": (100, 1_000),
    "ListGalleryImagesInGallery": (100, 1_000),
    "ListGalleryImageVersionsInGallery": (100, 1_000),
}
"""Budget -> requests in 3 minutes, requests in 30 minutes."""

_WINDOWS_S = (180, 1_800)
_NAMES = ("3Min", "30Min")
HEADER = "x-ms-ratelimit-remaining-resource"


class Budgets:
    """The requests that are left. A window starts when the clock passes a multiple of its length."""

    def __init__(self, clock: Clock, limits: Mapping[str, tuple[int, int]] = LIMITS) -> None:
        self._clock = clock
        self._limits = limits
        self._used: dict[tuple[str, int], tuple[int, int]] = {}
        self._lock = Lock()

    def take(self, budget: str) -> dict[str, str]:
        """Counts one request, and returns the header with the requests that are left. Refused requests do not count.

        Raises: ArmError 429 when none are left; KeyError for an unknown budget.
        """
        now = self._clock.now()
        with self._lock:
            used = [self._in_window(budget, seconds, now) for seconds in _WINDOWS_S]
            limits = self._limits[budget]
            waits = [
                seconds - now % seconds
                for seconds, count, limit in zip(_WINDOWS_S, used, limits, strict=True)
                if count >= limit
            ]
            if not waits:
                for seconds, count in zip(_WINDOWS_S, used, strict=True):
                    self._used[budget, seconds] = (int(now // seconds), count + 1)
                used = [count + 1 for count in used]
        left = ",".join(
            f"{COMPUTE}/{budget}{name};{limit - count}" for name, limit, count in zip(_NAMES, limits, used, strict=True)
        )
        if waits:
            raise _too_many(budget, max(waits), left)
        return {HEADER: left}

    def _in_window(self, budget: str, seconds: int, now: float) -> int:
        window, count = self._used.get((budget, seconds), (0, 0))
        return count if window == int(now // seconds) else 0


def _too_many(budget: str, wait_s: float, left: str) -> ArmError:
    return ArmError(
        429,
        "TooManyRequests",
        "The request is being throttled as the limit has been reached for the operation type "
        f"'{budget}'. For more information, see the Retry-After header.",
        details=[{"code": "TooManyRequests", "target": budget, "message": "The budget of the window is used up."}],
        headers={HEADER: left, "Retry-After": str(max(1, math.ceil(wait_s)))},
    )
