"""Ctrl-C and SIGTERM while objects are being changed.

Before the first change they stop the command like any other. After that, the first signal lets running operations
finish, the second leaves them to the journal, and the third ends the process at once.
"""

from __future__ import annotations

import os
import signal
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from reconciler.cli.session import Exit

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from reconciler.applying.context import Interrupt

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Signals(AbstractContextManager["Signals"]):
    """Passes signals to `interrupt` after `arm`; restores the previous handlers at the end."""

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt
        self._armed = False
        self._previous: dict[int, Any] = {}

    def arm(self) -> None:
        """From now on, objects may be changed."""
        self._armed = True

    def __enter__(self) -> Signals:
        self._previous = {number: signal.signal(number, self._caught) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _caught(self, _number: int, _frame: FrameType | None) -> None:
        if not self._armed:
            raise KeyboardInterrupt
        if self._interrupt.count >= 2:
            os._exit(Exit.INTERRUPTED)
        self._interrupt()
