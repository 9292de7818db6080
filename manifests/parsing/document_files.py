"""The documents of YAML files."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.manifests.diagnostics import Position
from reconciler.manifests.parsing.budget import Budget, OverBudget
from reconciler.manifests.parsing.documents import Document, build_documents
from reconciler.manifests.parsing.events import BadEncoding, decode
from reconciler.manifests.parsing.files import SourceFile
from reconciler.manifests.problems import MOST_PROBLEMS, Problem
from reconciler.manifests.resource import Origin


def load_documents(files: list[SourceFile], values: Mapping[str, str] | None) -> tuple[list[Document], list[Problem]]:
    """The documents of `files` in order, and what is wrong with the YAML itself. None when a limit
    is reached, or after very many problems, as the rest is not even read."""
    documents: list[Document] = []
    problems: list[Problem] = []
    budget = Budget()
    for file in files:
        built, invalid = _documents(file, values, budget)
        documents += built
        problems += invalid
        if budget.spent or len(problems) > MOST_PROBLEMS:
            return [], problems
    return documents, problems


def _documents(
    file: SourceFile, values: Mapping[str, str] | None, budget: Budget
) -> tuple[list[Document], list[Problem]]:
    try:
        budget.file(file.content)
        text = decode(file.content)
    except BadEncoding as cause:
        position = Position(file.name, cause.line, cause.column)
        return [], [Problem(Origin(file.name, cause.line), (), cause.summary, cause.detail, position=position)]
    except OverBudget as over:
        return [], [Problem(Origin(file.name, 0), (), over.summary, over.detail)]
    return build_documents(file.name, text, values, budget)
