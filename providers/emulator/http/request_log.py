"""The request log: how many requests there were since the start, and the last of them."""

from __future__ import annotations

from collections import Counter, deque
from threading import Lock

from reconciler.providers.emulator.core.arm import Body

_LAST = 200


class RequestLog:
    """The requests with a valid token, counted by route name and method."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._last: deque[Body] = deque(maxlen=_LAST)

    def add(self, name: str, method: str, url: str, status: int) -> None:
        """Counts a request; status 0 means that its connection was closed."""
        with self._lock:
            self._counts[name, method] += 1
            self._last.append({"name": name, "method": method, "url": url, "status": status})

    def reset(self) -> None:
        with self._lock:
            self._counts.clear()
            self._last.clear()

    def summary(self) -> Body:
        """The counts, sorted by name, and the last requests, newest last."""
        with self._lock:
            counts = [
                {"name": name, "method": method, "count": count}
                for (name, method), count in sorted(self._counts.items())
            ]
            return {"total": self._counts.total(), "counts": counts, "last": list(self._last)}
