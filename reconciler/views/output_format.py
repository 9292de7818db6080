"""`OutputFormat`: how results look in one format, and the formats that exist: one file in `formats/` each.

The name of a file is the name of its format, and its `FORMAT` is what renders. Files are found, not listed: adding one
adds a choice to --format.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from reconciler.applying.apply import ApplyResult
    from reconciler.drift.report import DriftReport
    from reconciler.manifests.address import Address
    from reconciler.manifests.errors import ReconcilerError
    from reconciler.planning.plan import Plan
    from reconciler.state.records import Record, Run, State
    from reconciler.state.upkeep import Change
    from reconciler.views.run_reporter import RunReporter
    from reconciler.views.terminal.lines import Line
    from reconciler.views.terminal.output import Output
    from reconciler.views.text.heading import Heading
    from reconciler.views.validation import Validation

DEFAULT = "text"
_FOLDER = "reconciler.views.formats"


class OutputFormat(ABC):
    """Renders results as lines. `width` is in columns; formats that do not wrap lines ignore it."""

    interactive: ClassVar[bool] = False
    """Whether the output is for a person at a terminal: coloured, with questions, and with errors on stderr alone.
    Everything else is a document: it also contains the error that ended the command."""

    @property
    def name(self) -> str:
        """What selects it: the name of its file."""
        return type(self).__module__.rpartition(".")[2]

    def reporter(self, output: Output, errors: Output) -> RunReporter:  # noqa: ARG002  for those that bring one
        """What shows an apply or a destroy as it happens; nothing does unless the format brings a reporter."""
        from reconciler.views.run_reporter import RunReporter

        return RunReporter()

    @abstractmethod
    def plan(self, plan: Plan, heading: Heading, width: int, *, verbose: bool = False) -> Iterator[Line]:
        """A plan. `verbose`: every change, none grouped."""

    @abstractmethod
    def result(self, result: ApplyResult | None, seconds: float, width: int) -> Iterator[Line]:
        """How an apply or a destroy ended, after `seconds`; None when there was nothing to do."""

    @abstractmethod
    def drift(self, report: DriftReport, heading: Heading, width: int, *, unmanaged: bool = False) -> Iterator[Line]:
        """A drift report. `unmanaged`: also list unmanaged objects."""

    @abstractmethod
    def validation(self, validation: Validation, width: int) -> Iterator[Line]:
        """Whether the manifests are valid, and every problem in them."""

    @abstractmethod
    def overview(self, state: State, runs: Iterable[Run]) -> Iterator[Line]:
        """Everything recorded, and the latest runs."""

    @abstractmethod
    def record(self, record: Record, records: Mapping[Address, Record]) -> Iterator[Line]:
        """One recorded object in full; `records` are all that are recorded."""

    def history(self, runs: Iterable[Run]) -> Iterator[Line]:
        """Past runs, the newest first; a line each unless the format has its own way."""
        from reconciler.views.text.objects import run_lines

        return run_lines(runs)

    def changes(self, changes: Iterable[tuple[Change, Run | None]]) -> Iterator[Line]:
        """Who changed what, the newest first, with the run that did it if that is still remembered."""
        from reconciler.views.text.objects import change_lines

        return change_lines(changes)

    @abstractmethod
    def latest(
        self, definition: str, versions: Mapping[str, str], *, alone: bool = False, foreign: Collection[str] = ()
    ) -> Iterator[Line]:
        """Which version of `definition` is latest, by region. `alone`: one region was asked for by name. `foreign`: the
        regions where it is somebody else's."""

    @abstractmethod
    def error(self, error: ReconcilerError, width: int) -> Iterator[Line]:
        """What ended a command."""


def format_names() -> tuple[str, ...]:
    """The names of all formats, the default one first."""
    names = {module.name for module in pkgutil.iter_modules(importlib.import_module(_FOLDER).__path__)}
    return (DEFAULT, *sorted(names - {DEFAULT}))


def load_format(name: str) -> OutputFormat:
    """The format of that name, which must be one of `format_names`."""
    output_format: object = importlib.import_module(f"{_FOLDER}.{name}").FORMAT
    if not isinstance(output_format, OutputFormat):
        raise TypeError(f"FORMAT of the output format '{name}' is not an OutputFormat. This is a bug.")
    return output_format
