"""`Session`: what every command knows, from the options that all of them share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from reconciler.engine import Engine
    from reconciler.reporting import Reporter
    from reconciler.views.terminal.output import Output
    from reconciler.views.terminal.waiting import WaitingReporter
    from reconciler.views.text.heading import Heading


class Exit(IntEnum):
    """What a command tells by its exit code."""

    DONE = 0
    ERROR = 1
    PENDING = 2  # changes are pending, or drift was found
    UNREACHABLE = 3
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Session:
    """The project's folder, the environment (None for the default one), and how to speak."""

    directory: Path
    environment: str | None = None
    color: bool = True
    debug: bool = False

    @property
    def output(self) -> Output:
        """Where results go."""
        from reconciler.views.terminal.output import Output

        return Output(sys.stdout, color=self.color)

    @property
    def errors(self) -> Output:
        """Where errors and what is only of the moment go."""
        from reconciler.views.terminal.output import Output

        return Output(sys.stderr, color=self.color)

    def engine(self, reporter: Reporter | None = None) -> Engine:
        """The engine on this project; a context that closes what it opened."""
        from reconciler.engine import Engine
        from reconciler.reporting import Reporter

        return Engine(self.directory, self.environment, reporter or Reporter())

    @contextmanager
    def waiting(self) -> Iterator[WaitingReporter]:
        """Shows on a terminal what takes long, until it is stopped or the block ends."""
        from reconciler.views.terminal.waiting import WaitingReporter

        reporter = WaitingReporter(self.errors)
        try:
            yield reporter
        finally:
            reporter.stop()


def session_of(context: typer.Context) -> Session:
    """The session that the options before the command have made."""
    found = context.obj
    if not isinstance(found, Session):
        raise TypeError("a command ran outside of the command line. This is a bug.")
    return found


def colors_wanted(*, no_color: bool) -> bool:
    """Whether colours may be used where there is a terminal. Source: no-color.org for NO_COLOR."""
    return not (no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")


def heading_of(engine: Engine, serial: int, *, galleries: bool = True) -> Heading:
    """What the output is about. `galleries`: count them, for which the manifests are needed."""
    from reconciler.views.text.heading import Heading

    project = engine.project
    declared = engine.manifest.resources if galleries else ()
    return Heading(
        environment=project.environment,
        providers={name: settings.type for name, settings in project.providers.items()},
        serial=serial,
        galleries=sum(not address.definition for address in declared) if galleries else None,
    )
