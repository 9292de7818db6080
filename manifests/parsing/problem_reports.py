"""Problems as a person reads them: each with its line and column, all of them in one error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from reconciler.manifests.diagnostics import Diagnostic, Position, error
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.parsing.positions import Locator
from reconciler.manifests.problems import Fault
from reconciler.manifests.words import without_secrets

SHOWN_AT_MOST = 1000


def refuse(directory: Path, faults: Iterable[Fault]) -> NoReturn:
    """Raises: ManifestError with a Diagnostic for each of `faults`, in file order, each with its place and line."""
    found = list(faults)
    diagnostics = sorted(_located(directory, found[:SHOWN_AT_MOST]), key=_file_order)
    if len(found) > SHOWN_AT_MOST:
        diagnostics.append(error(f"and {len(found) - SHOWN_AT_MOST} more faults", "mend these first"))
    raise ManifestError(diagnostics)


def _located(directory: Path, faults: Sequence[Fault]) -> list[Diagnostic]:
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
