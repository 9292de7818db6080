"""`Problem`: something wrong at a path of a document; its line and column are looked up only when it is reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Position
from reconciler.manifests.resource import Origin

MOST_PROBLEMS = 1000
"""So many are shown. After so many, the rules between documents are not checked."""
NOT_CHECKED = "the rest was not checked"

DocumentPath: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, and what to do. `position` is set when the place is already known."""

    origin: Origin
    path: DocumentPath
    summary: str
    detail: str = ""
    address: Address | None = None
    position: Position | None = None


class InvalidInput(ValueError):
    """A value or a file that a rule rejects: what is wrong with it, and what is allowed. The catcher adds the place.


    `path` leads from the value to the part of it that is wrong; empty for the value as a whole.
    """

    def __init__(self, summary: str, detail: str = "", path: DocumentPath = ()) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.path = path
