"""Who asked for what: counts of requests since the start, and the last of them."""

from __future__ import annotations

from collections import Counter, deque
from threading import Lock

from reconciler.providers.emulator.core.arm import Body

_LAST = 200


class RequestLog:
    """Requests that bore a valid token, by the name of their route and their method."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._last: deque[Body] = deque(maxlen=_LAST)

    def note(self, name: str, method: str, url: str, status: int) -> None:
        """Counts a request; status 0 is one whose connection was closed."""
        with self._lock:
            self._counts[name, method] += 1
            self._last.append({"name": name, "method": method, "url": url, "status": status})

    def reset(self) -> None:
        with self._lock:
            self._counts.clear()
            self._last.clear()

    def shown(self) -> Body:
        """The counts, sorted by name, and the last requests, the newest at the end."""
        with self._lock:
            counts = [
                {"name": name, "method": method, "count": count}
                for (name, method), count in sorted(self._counts.items())
            ]
            return {"total": self._counts.total(), "counts": counts, "last": list(self._last)}
