"""`Session`: what every command knows from the options that all commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from reconciler.engine import Engine
    from reconciler.reporting import Reporter
    from reconciler.views.output_format import OutputFormat
    from reconciler.views.terminal.output import Output
    from reconciler.views.terminal.waiting import WaitingReporter
    from reconciler.views.text.heading import Heading


class Exit(IntEnum):
    """What the exit code of a command means."""

    DONE = 0
    ERROR = 1
    PENDING = 2  # changes pending, or drift found
    UNREACHABLE = 3
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Session:
    """The project's folder, the environment (None for the default one), how output looks, and the settings file (empty
    for the usual one, if it exists). `reads`: of a command that only reads, the files on its command line."""

    directory: Path
    environment: str | None = None
    color: bool = True
    debug: bool = False
    settings: str = ""
    reads: tuple[str, ...] | None = None

    @property
    def output(self) -> Output:
        """Where results for people go."""
        from reconciler.views.terminal.output import Output

        return Output(sys.stdout, color=self.color)

    def output_for(self, output_format: OutputFormat) -> Output:
        """Where results in that format go; coloured only if it is for people."""
        from reconciler.views.terminal.output import Output

        return Output(sys.stdout, color=self.color and output_format.interactive)

    @property
    def errors(self) -> Output:
        """Where errors and passing progress go."""
        from reconciler.views.terminal.output import Output

        return Output(sys.stderr, color=self.color)

    def engine(self, reporter: Reporter | None = None, *, untrusted: bool = False) -> Engine:
        """The engine of this project; a context manager that closes what it opened. `untrusted`: the project is a
        stranger's. Raises: ManifestError when the settings file is invalid."""
        from reconciler.cli.guarding import confine_process, guard_process
        from reconciler.cli.trusting import trust_of_runner
        from reconciler.engine import Engine
        from reconciler.reporting import Reporter

        trust = trust_of_runner(self.settings, untrusted=untrusted)
        if self.reads is not None:
            guard_process(self.directory, trust, self.reads)
        return Engine(
            self.directory,
            self.environment,
            reporter or Reporter(),
            trust=trust,
            on_loaded=lambda project: confine_process(project, trust),
        )

    @contextmanager
    def waiting(self) -> Iterator[WaitingReporter]:
        """Shows on a terminal what takes long, until the reporter is stopped or the block ends."""
        from reconciler.views.terminal.waiting import WaitingReporter

        reporter = WaitingReporter(self.errors)
        try:
            yield reporter
        finally:
            reporter.stop()


def session_of(context: typer.Context) -> Session:
    """The session that the shared options have created."""
    session = context.obj
    if not isinstance(session, Session):
        raise TypeError("a command ran outside of the command line. This is a bug.")
    return session


def reading_session(context: typer.Context, *files: str) -> Session:
    """The session of a command that only reads: its process can do nothing else once it has an engine. `files` are what
    its command line says is to be read or written."""
    return replace(session_of(context), reads=tuple(filter(None, files)))


def colors_wanted(*, no_color: bool) -> bool:
    """Whether colours may be used on a terminal. Source: no-color.org for NO_COLOR."""
    return not (no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")


def heading_of(engine: Engine, serial: int, *, galleries: bool = True) -> Heading:
    """What the output is about. `galleries`: count them, which needs the manifests."""
    from reconciler.views.text.heading import Heading

    project = engine.project
    declared = engine.manifest.resources if galleries else ()
    return Heading(
        environment=project.environment,
        providers={name: settings.type for name, settings in project.providers.items()},
        serial=serial,
        galleries=sum(not address.definition for address in declared) if galleries else None,
    )
