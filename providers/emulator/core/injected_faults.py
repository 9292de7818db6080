"""Faults to inject: a list of them, each of which happens to the requests that match it, a number of times.

A fault file, and the body of `PUT /emulator/faults`, is a JSON list of objects with the fields of `Fault`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any

ACTIONS = {
    "error": "answer with `status` and `code`, and do nothing",
    "drop": "close the connection before anything is done",
    "lose-answer": "do what is asked, then close the connection",
    "throttle": "answer 429 with a Retry-After of `seconds`",
    "expire-token": "answer 401 as if the token had just expired",
    "fail-region": "replication into `region` fails",
    "stick": "the operation does not end until the fault is removed",
    "hide-parent": "answer as if the parent of what is written did not exist yet",
    "busy-parent": "refuse the deletion as if something were still inside",
    "edit-regions": "another client sets the target regions to `regions` just before the request is handled",
}
"""What a fault can do."""


@dataclass(slots=True)
class Fault:
    """One fault. `method` and `path` are patterns with `*`; paths match in any case. The first `skip` matching requests
    pass, then the fault happens `times` times (0: until it is removed)."""

    action: str
    method: str = "*"
    path: str = "*"
    times: int = 1
    skip: int = 0
    region: str = ""
    regions: tuple[str, ...] = ()
    seconds: float = 0
    status: int = 500
    code: str = "InternalServerError"
    seen: int = 0

    @property
    def spent(self) -> bool:
        return bool(self.times) and self.seen >= self.skip + self.times

    def matches(self, action: str, method: str, path: str, region: str) -> bool:
        return (
            action == self.action
            and fnmatchcase(method, self.method)
            and fnmatchcase(path.lower(), self.path.lower())
            and (not self.region or self.region == region)
        )


class Faults:
    """The faults that are set, in order."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = list(faults)
        self._lock = Lock()

    def __iter__(self) -> Any:
        return iter(self._faults)

    def set(self, faults: Iterable[Fault]) -> None:
        """These from now on, and no others."""
        self._faults = list(faults)

    def take(self, action: str, method: str, path: str, region: str = "") -> Fault | None:
        """The first fault for this request, which counts as having happened; None when there is none."""
        with self._lock:
            for fault in self._faults:
                if not fault.spent and fault.matches(action, method, path, region):
                    fault.seen += 1
                    if fault.seen > fault.skip:
                        return fault
        return None


def read_faults(content: Any) -> list[Fault]:
    """Faults from JSON. Raises: ValueError that says what is wrong with which entry."""
    if not isinstance(content, list):
        raise ValueError("faults are a list of objects")  # noqa: TRY004 - the file is wrong, not the caller
    return [_read(index, entry) for index, entry in enumerate(content)]


_FIELDS = {one.name: one for one in dataclasses.fields(Fault) if one.name != "seen"}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "tuple[str, ...]": (list,),
}


def _read(index: int, entry: Any) -> Fault:
    if not isinstance(entry, dict) or entry.get("action") not in ACTIONS:
        raise ValueError(f"fault {index}: give an `action`, one of {', '.join(ACTIONS)}")
    for name, value in entry.items():
        if name not in _FIELDS:
            raise ValueError(f"fault {index}: unknown field '{name}'; known are {', '.join(_FIELDS)}")
        if not isinstance(value, _TYPES[str(_FIELDS[name].type)]) or isinstance(value, bool):
            raise ValueError(f"fault {index}: '{name}' is not a {_FIELDS[name].type}")  # noqa: TRY004 - as above
    values = {**entry, "regions": tuple(entry.get("regions", ()))}
    return Fault(**values)
