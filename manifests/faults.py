"""`Fault`: something wrong at a path of a document; its line and column are looked up only when it is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from manifests.address import Address
from manifests.diagnostics import Diagnostic, Position, error
from manifests.errors import ManifestError
from manifests.resource import Origin
from manifests.words import without_secrets

if TYPE_CHECKING:
    from manifests.positions import Locator

FaultPath: TypeAlias = tuple[str | int, ...]

SHOWN_AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, where, and what to do. `position` is set when the place is known without looking."""

    origin: Origin
    path: FaultPath
    summary: str
    detail: str = ""
    address: Address | None = None
    position: Position | None = None


class Refusal(ValueError):
    """A value that a rule refuses: what is wrong with it, and what is allowed."""

    def __init__(self, summary: str, detail: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail


def refuse(directory: Path, faults: Iterable[Fault]) -> NoReturn:
    """Raises: ManifestError with a Diagnostic for each of `faults`, in file order, each with its place and line."""
    found = list(faults)
    diagnostics = sorted(_located(directory, found[:SHOWN_AT_MOST]), key=_file_order)
    if len(found) > SHOWN_AT_MOST:
        diagnostics.append(error(f"and {len(found) - SHOWN_AT_MOST} more faults", "mend these first"))
    raise ManifestError(diagnostics)


def _located(directory: Path, faults: Sequence[Fault]) -> list[Diagnostic]:
    from manifests.positions import Locator  # reads the files a second time, which only a fault is worth

    locator = Locator(directory)
    return [_diagnostic(fault, locator) for fault in faults]


def _diagnostic(fault: Fault, locator: Locator) -> Diagnostic:
    position = locator.position(fault)
    return error(
        without_secrets(fault.summary),
        without_secrets(fault.detail),
        address=fault.address,
        position=position,
        line=without_secrets(locator.line(position)),
    )


def _file_order(diagnostic: Diagnostic) -> tuple[str, int, int, str]:
    position = diagnostic.position or Position("")
    return (position.file, position.line, position.column, diagnostic.summary)
