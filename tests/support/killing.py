"""Runs that die at a chosen point, as by a crash of the machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from reconciler.engine import AppliedPlan


class Killer:
    """Kills the process at point number `at`, there being one before and one after each call that is wrapped; or does
    something `else_` there."""

    def __init__(self, at: int, else_: Callable[[], None] | None = None) -> None:
        self._at = at
        self._act = else_ or _die
        self._count = 0

    def wrap(self, owner: Any, *names: str) -> None:
        for name in names:
            setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._point()
            result = call(*args, **kwargs)
            self._point()
            return result

        return counted

    def _point(self) -> None:
        self._count += 1
        if self._count == self._at:
            self._act()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(at: int, install: Callable[[Killer], None], apply: Callable[[], AppliedPlan]) -> bool:
    """Whether a child process that applies came as far as its point number `at`; one that does not has to complete."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            install(Killer(at))
            result = apply().result
            status = 0 if result is not None and result.complete else 1
        finally:
            os._exit(status)
    ended = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0, (at, ended)
    return os.WIFSIGNALED(ended)
