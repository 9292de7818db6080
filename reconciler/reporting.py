"""`Reporter`: hears what happens, and changes nothing. Its methods do nothing; views override what they show."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.manifests.address import Address
    from reconciler.manifests.errors import ReconcilerError
    from reconciler.providers.protocol import Step

logger = logging.getLogger(__name__)


class Reporter:
    """Called from one thread. Addresses of steps are nodes: a region reports for itself."""

    def stage(self, name: str) -> None:
        """A stage begins: `load`, `refresh`, `plan`, `apply`."""

    def waiting(self, message: str) -> None:
        """Something outside is waited for."""

    def started(self, step: Step) -> None:
        """A step was handed to its provider."""

    def progress(self, address: Address, done: int, total: int) -> None:
        """`done` of `total` bytes of a step."""

    def in_progress(self, step: Step) -> None:
        """The provider goes on by itself; the step is asked about later."""

    def finished(self, step: Step, seconds: float) -> None:
        """A step is done and recorded."""

    def failed(self, step: Step, error: ReconcilerError) -> None:
        """A step failed."""

    def skipped(self, step: Step, because: Address) -> None:
        """A step was not begun, because that of `because` failed."""

    def interrupted(self, running: int) -> None:
        """No new step is begun; `running` operations are waited for."""


class SafeReporter:
    """Hands calls on to a reporter; what it raises is logged and the run goes on."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._reporter, name)

        def call(*args: Any) -> None:
            try:
                method(*args)
            except Exception:  # a view must never stop a run
                logger.exception("the reporter failed in %s", name)

        return call
