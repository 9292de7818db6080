"""`Diagnostic`: an error or a warning as it is shown, with its place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from reconciler.manifests.address import Address


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class Position(NamedTuple):
    """A place in a file: `line` and `column` count from 1; 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What is wrong (`summary`), why and what to do (`detail`), where, and the line as it was written.

    `path` leads to it from the document that begins at `position`, until the exact position is looked up.
    """

    severity: Severity
    summary: str
    detail: str = ""
    address: Address | None = None
    position: Position | None = None
    line: str = ""
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        where = [str(part) for part in (self.position, self.address) if part]
        head = f"{' '.join(where)}: {self.summary}" if where else self.summary
        shown = f"\n    {self.line.strip()}" if self.line.strip() else ""
        return f"{head}{shown}" + (f"\n    {self.detail}" if self.detail else "")


def error(
    summary: str, detail: str = "", *, address: Address | None = None, position: Position | None = None, line: str = ""
) -> Diagnostic:
    """A Diagnostic of severity ERROR."""
    return Diagnostic(Severity.ERROR, summary, detail, address, position, line)


def warning(
    summary: str, detail: str = "", *, address: Address | None = None, position: Position | None = None, line: str = ""
) -> Diagnostic:
    """A Diagnostic of severity WARNING."""
    return Diagnostic(Severity.WARNING, summary, detail, address, position, line)
