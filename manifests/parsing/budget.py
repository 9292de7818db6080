"""How much the manifests of a project may hold: reading them takes bounded time and memory, whoever wrote them.

The limits are about ten times those of the services: Azure allows 1,000 definitions and 10,000 versions in a region.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.manifests.problems import InvalidInput

MIB = 1024 * 1024
LARGEST_PROJECT = 32 * MIB
"""Bytes in all manifests of a project."""
MOST_LINES = 1_000_000
MOST_DOCUMENTS = 50_000
MOST_VALUES = 1_000_000
"""Keys are not counted; what an alias repeats is."""
MOST_VALUES_IN_DOCUMENT = 100_000
MOST_ALIASED = 10_000
"""What the aliases of one file may repeat: values, and long strings by hundreds of characters."""
MOST_REPEATED = 8 * MIB
"""Characters that `${values.NAME}` and aliases may put in place."""

MOST_PROBLEMS_IN_DOCUMENT = 100

_SPLIT = "split the project into several, each in a folder of its own"


class OverBudget(InvalidInput):
    """The project holds more than is read. Reading ends with it."""


@dataclass(slots=True)
class Budget:
    """What has been read of one project so far; each method counts more of it. `spent` once anything was too much."""

    size: int = 0
    lines: int = 0
    documents: int = 0
    values: int = 0
    repeated: int = 0
    spent: bool = False

    def file(self, content: bytes) -> None:
        """One more file. Raises: OverBudget."""
        self.size += len(content)
        self.lines += content.count(b"\n")
        if self.size > LARGEST_PROJECT:
            raise self._over(f"{LARGEST_PROJECT // MIB} MiB", _SPLIT)
        if self.lines > MOST_LINES:
            raise self._over(f"{MOST_LINES:,} lines", _SPLIT)

    def document(self) -> None:
        """One more document, empty ones included. Raises: OverBudget."""
        self.documents += 1
        if self.documents > MOST_DOCUMENTS:
            raise self._over(f"{MOST_DOCUMENTS:,} documents", _SPLIT)

    def too_many_values(self, *, in_document: bool) -> OverBudget:
        """What to raise when the values of a document, or of all of them, are too many."""
        self.spent = True
        if in_document:
            return OverBudget(
                f"the document has more than {MOST_VALUES_IN_DOCUMENT:,} values", "write several smaller documents"
            )
        return self._over(f"{MOST_VALUES:,} values", f"what aliases repeat counts each time: {_SPLIT}")

    def repeat(self, characters: int) -> None:
        """So many more characters from a value or an alias. Raises: OverBudget."""
        self.repeated += characters
        if self.repeated > MOST_REPEATED:
            self.spent = True
            raise OverBudget(
                f"${{values}} and aliases expand to more than {MOST_REPEATED // MIB} MiB",
                "shorten the values that are repeated, or refer to them less often",
            )

    def _over(self, limit: str, remedy: str) -> OverBudget:
        self.spent = True
        return OverBudget(f"the manifests of the project have more than {limit}", remedy)
