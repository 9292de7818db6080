"""Ctrl-C and SIGTERM while objects are being changed.

Before anything is begun they stop the command like any other. Then the first one lets running operations finish, the
second one leaves them to the journal, and a third one ends the process on the spot.
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
    """Hands signals to `interrupt` from `begin` on; puts the former handlers back at the end."""

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt
        self._begun = False
        self._former: dict[int, Any] = {}

    def begin(self) -> None:
        """From now on objects may be changed."""
        self._begun = True

    def __enter__(self) -> Signals:
        self._former = {number: signal.signal(number, self._caught) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _caught(self, _number: int, _frame: FrameType | None) -> None:
        if not self._begun:
            raise KeyboardInterrupt
        if self._interrupt.count >= 2:
            os._exit(Exit.INTERRUPTED)
        self._interrupt()
