"""A run on a terminal: a bar for each region that is being copied, below the lines of what has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.providers.protocol import Step
from reconciler.views.terminal.escaping import printable
from reconciler.views.terminal.output import Output
from reconciler.views.terminal.units import human_bytes
from reconciler.views.terminal.waiting import WaitingReporter
from reconciler.views.text.apply import PlainReporter

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from reconciler.planning.plan import Plan

_SHOWN_AFTER_S = 0.3
_DRAWN_EVERY_S = 0.1
_MOST_BARS = 10
_MOST_LINES = 200


class TerminalReporter(PlainReporter):
    """A spinner while planning, bars while copying. `steps` is the total number, once a plan has been shown."""

    def __init__(self, output: Output, errors: Output, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(output, clock)
        self.steps = 0
        self._before = WaitingReporter(errors)
        self._progress: Progress | None = None
        self._all: TaskID | None = None
        self._steps_ended = 0
        self._drawn = 0.0
        self._bars: dict[Address, TaskID] = {}

    def pause(self) -> None:
        self._before.stop()

    def shown(self, plan: Plan) -> None:
        super().shown(plan)
        self.steps = sum(change.action.touches_objects for change in plan.changes)

    def close(self) -> None:
        self._before.stop()
        if self._progress:
            self._progress.stop()
            self._progress = None

    def stage(self, name: str) -> None:
        if name == "apply":
            self._before.stop()
            self._begin()
        else:
            self._before.stage(name)

    def _begin(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]}", markup=False),
            TimeElapsedColumn(),
            console=self.output.console,
            transient=True,
        )
        self._all = self._progress.add_task("all steps", total=self.steps or None, amount=self._count(0))
        self._progress.start()

    def _count(self, done: int) -> str:
        return f"{done:,} of {self.steps:,}" if self.steps else f"{done:,}"

    def progress(self, address: Address, done: int, total: int) -> None:
        if self._progress is None:
            self._before.progress(address, done, total)
            return
        bar = self._bars.get(address)
        if bar is None:
            since = self.since.get(address)
            if since is None or self.clock() - since < _SHOWN_AFTER_S or len(self._bars) >= _MOST_BARS:
                return
            bar = self._bars[address] = self._progress.add_task(printable(str(address)), amount="")
        seconds = self.clock() - self.since[address]
        self._progress.update(bar, completed=done, total=total, amount=_share(done, total, seconds))

    def finished(self, step: Step, seconds: float) -> None:
        self._remove_bar(step.address)
        super().finished(step, seconds)

    def failed(self, step: Step, error: ReconcilerError) -> None:
        self._remove_bar(step.address)
        super().failed(step, error)

    def _remove_bar(self, address: Address) -> None:
        if self._progress is None or self._all is None:
            return
        bar = self._bars.pop(address, None)
        if bar is not None:
            self._progress.remove_task(bar)
        self._steps_ended += 1
        if self.clock() - self._drawn >= _DRAWN_EVERY_S:
            self._drawn = self.clock()
            self._progress.update(self._all, completed=self._steps_ended, amount=self._count(self._steps_ended))

    def unit_over(self, unit: Address, steps: list[Step], seconds: float) -> None:
        """With very many steps, the count is enough."""
        if self.steps <= _MOST_LINES:
            super().unit_over(unit, steps, seconds)


def _share(done: int, total: int, seconds: float) -> str:
    """`0.3 of 8.0 GiB, 110.0 MiB/s`."""
    whole, part = human_bytes(total), human_bytes(done)
    unit = f" {whole.split()[1]}"
    speed = f", {human_bytes(int(done / seconds))}/s" if seconds > 0 else ""
    return f"{part.removesuffix(unit)} of {whole}{speed}"
