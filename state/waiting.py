"""Waiting for a lease that another run holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from reconciler.state.errors import LockHeld

Held = TypeVar("Held")
_LONGEST_PAUSE_S = 1.0


@contextmanager
def patiently(
    hold: Callable[[], AbstractContextManager[Held]],
    timeout_s: float,
    report: Callable[[str], None],
    stop: Callable[[], bool],
) -> Iterator[Held]:
    """What `hold` holds, for the length of a `with` block, once no one else holds it.

    Tries for `timeout_s` seconds, and ends early when `stop` is true. `report` is called once for every holder.

    Raises: LockHeld.
    """
    with ExitStack() as stack:
        yield _waited_for(lambda: stack.enter_context(hold()), timeout_s, report, stop)


def _waited_for(
    take: Callable[[], Held], timeout_s: float, report: Callable[[str], None], stop: Callable[[], bool]
) -> Held:
    until = time.monotonic() + timeout_s
    pause_s, reported = 0.05, ""
    while True:
        try:
            return take()
        except LockHeld as held:
            left = until - time.monotonic()
            if left <= 0 or stop():
                raise
            if held.message != reported:
                report(f"{held.message}; waiting for that run for up to {left:.0f} s")
                reported = held.message
        time.sleep(min(pause_s, left))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
