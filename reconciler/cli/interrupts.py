"""Ctrl-C and SIGTERM, from the first line that the program runs to its end.

While the program starts, a signal ends it at once: nothing was done. Before the first change of an object, a signal
stops the command like any other. After that, the first one lets running operations finish, the second leaves them to
the journal, and the third ends the process at once.
"""

from __future__ import annotations

import os
import signal
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from reconciler.applying.context import Interrupt

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED = 130


def end_at_once(_number: int = 0, _frame: FrameType | None = None) -> None:
    """Ends the process without a word: of what it has started, the journal knows."""
    os._exit(_INTERRUPTED)


def stop_command(_number: int, _frame: FrameType | None) -> None:
    """Stops a command that changes nothing, or has not yet. A second signal does not wait for that."""
    on_signals(end_at_once)
    raise KeyboardInterrupt


def on_signals(handler: Any) -> None:
    """Makes `handler` the answer to both signals."""
    for number in _SIGNALS:
        signal.signal(number, handler)


class Signals(AbstractContextManager["Signals"]):
    """Passes signals to `interrupt`; restores the previous handlers at the end.

    Before `arm` a signal also raises KeyboardInterrupt, wherever the program is. That exception may be lost, as in a
    callback of Python's own; `interrupt` is not, so that nothing is started after it.
    """

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt
        self._armed = False
        self._previous: dict[int, Any] = {}

    def arm(self) -> None:
        """From now on, objects may be changed. Raises: KeyboardInterrupt if a stop was requested before."""
        self._armed = True
        if self._interrupt.count:
            raise KeyboardInterrupt

    def __enter__(self) -> Signals:
        self._previous = {number: signal.signal(number, self._caught) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _caught(self, _number: int, _frame: FrameType | None) -> None:
        if self._interrupt.count >= 2:
            end_at_once()
        self._interrupt()
        if not self._armed:
            raise KeyboardInterrupt
