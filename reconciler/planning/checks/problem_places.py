"""Problems of planned changes, with their place in the document that declares them."""

from __future__ import annotations

from dataclasses import replace

from reconciler.manifests.diagnostics import Diagnostic, Position, error
from reconciler.planning.actions import ResourceChange
from reconciler.planning.sources import OS_DISK


def problem_at(change: ResourceChange, path: tuple[str, ...], summary: str, detail: str) -> Diagnostic:
    """A problem at `path` in the document that declares the changed resource."""
    position = Position(change.origin.file, change.origin.line) if change.origin else None
    return replace(error(summary, detail, address=change.address, position=position), path=path)


def place_of_disk(disk: str) -> tuple[str, ...]:
    """Where a version's document declares the source of a disk."""
    return ("source",) if disk == OS_DISK else ("dataDisks",)
