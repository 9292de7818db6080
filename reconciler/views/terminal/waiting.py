"""What a terminal shows while there is no result yet: after a second, a spinner that says what takes so long."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.reporting import Reporter
from reconciler.views.terminal.escaping import printable
from reconciler.views.terminal.output import Output

if TYPE_CHECKING:
    from rich.progress import Progress

_AFTER_S = 1.0
_STAGES = {"load": "reading manifests", "refresh": "refreshing", "plan": "planning"}


class Waiting:
    """A spinner with one bar on a terminal; on any other stream, nothing."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._progress: Progress | None = None
        self._activity = ""

    def say(self, what: str) -> None:
        """What is being done now; shown once a second has passed."""
        with self._lock:
            self._activity = what
            if self._progress:
                self._progress.update(self._progress.task_ids[0], description=what, total=None)
            elif self._timer is None and self._output.terminal:
                self._timer = threading.Timer(_AFTER_S, self._show)
                self._timer.daemon = True
                self._timer.start()

    def amount(self, what: str, done: int, total: int) -> None:
        """How much of it is done, in bytes."""
        with self._lock:
            if self._progress:
                self._progress.update(self._progress.task_ids[0], description=what, completed=done, total=total)

    def stop(self) -> None:
        """Removes the spinner and restores the line."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
                self._timer = None
            if self._progress:
                self._progress.stop()
                self._progress = None

    def _show(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        with self._lock:
            if self._timer is None:
                return
            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=30))
            self._progress = Progress(*columns, console=self._output.console, transient=True)
            self._progress.add_task(self._activity, total=None)
            self._progress.start()


class WaitingReporter(Reporter):
    """Shows what a reading command is doing."""

    def __init__(self, output: Output) -> None:
        self._waiting = Waiting(output)

    def stage(self, name: str) -> None:
        self._waiting.say(_STAGES.get(name, name))

    def progress(self, address: Address, done: int, total: int) -> None:
        self._waiting.amount(printable(f"reading {address}"), done, total)

    def stop(self) -> None:
        """Removes the spinner."""
        self._waiting.stop()
