"""`${values.NAME}` in the project file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.manifests.parsing.budget import Budget
from reconciler.manifests.parsing.documents import replace_values
from reconciler.manifests.problems import MOST_PROBLEMS, DocumentPath, InvalidInput, Problem
from reconciler.manifests.resource import Origin


class Substitution:
    """Replaces values in the document at `origin`; what cannot be replaced is in `problems`, and stays as written.

    When too much has been put in place, that is one problem, and everything after it stays as written; likewise after
    very many problems.
    """

    def __init__(self, origin: Origin, values: Mapping[str, str]) -> None:
        self.origin = origin
        self.problems: list[Problem] = []
        self._values = values
        self._budget = Budget()

    def text(self, text: str, path: DocumentPath) -> str:
        """`text`, which is at `path`, with values replaced."""
        if self._budget.spent or len(self.problems) >= MOST_PROBLEMS:
            return text
        try:
            return replace_values(text, self._values, self._budget)
        except InvalidInput as refusal:
            self.problems.append(Problem(self.origin, path, refusal.summary, refusal.detail))
            return text

    def everywhere(self, value: Any, path: DocumentPath) -> Any:
        """`value`, which is at `path`, with values replaced in every string in it."""
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, list):
            return [self.everywhere(member, (*path, index)) for index, member in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.everywhere(member, (*path, key)) for key, member in value.items()}
        return value
