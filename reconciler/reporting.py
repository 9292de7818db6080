"""`Reporter`: is notified of what happens, and changes nothing. Its methods do nothing; views override some."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from reconciler.manifests.address import Address
    from reconciler.manifests.errors import ReconcilerError
    from reconciler.providers.protocol import Step

logger = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")


class Reporter:
    """Called from one thread. Addresses of steps are nodes: a region reports for itself."""

    def stage(self, name: str) -> None:
        """A stage starts: `load`, `refresh`, `plan`, `apply`."""

    def waiting(self, message: str) -> None:
        """The command waits for something outside of it."""

    def started(self, step: Step) -> None:
        """A step was handed to its provider."""

    def progress(self, address: Address, done: int, total: int) -> None:
        """`done` of `total` bytes of a step."""

    def in_progress(self, step: Step) -> None:
        """The provider accepted the step and continues on its own; it is polled until it ends. Reported once."""

    def finished(self, step: Step, seconds: float) -> None:
        """A step is done and recorded."""

    def failed(self, step: Step, error: ReconcilerError) -> None:
        """A step failed."""

    def skipped(self, step: Step, because: Address) -> None:
        """A step is not started, because that of `because` failed."""

    def interrupted(self, running: int) -> None:
        """A stop was requested: no new step is started, and `running` operations are waited for."""


class SafeReporter(Reporter):
    """Passes every event on to another reporter. When that raises, the exception is logged and the run continues."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def stage(self, name: str) -> None:
        _safely(self._reporter.stage, name)

    def waiting(self, message: str) -> None:
        _safely(self._reporter.waiting, message)

    def started(self, step: Step) -> None:
        _safely(self._reporter.started, step)

    def progress(self, address: Address, done: int, total: int) -> None:
        _safely(self._reporter.progress, address, done, total)

    def in_progress(self, step: Step) -> None:
        _safely(self._reporter.in_progress, step)

    def finished(self, step: Step, seconds: float) -> None:
        _safely(self._reporter.finished, step, seconds)

    def failed(self, step: Step, error: ReconcilerError) -> None:
        _safely(self._reporter.failed, step, error)

    def skipped(self, step: Step, because: Address) -> None:
        _safely(self._reporter.skipped, step, because)

    def interrupted(self, running: int) -> None:
        _safely(self._reporter.interrupted, running)


def _safely(event: Callable[Arguments, None], *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
    try:
        event(*args, **kwargs)
    except Exception:  # a view must never stop a run
        logger.exception("the reporter failed in %s", event.__name__)
