"""The documents of YAML files."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.manifests.diagnostics import Position
from reconciler.manifests.parsing.documents import Document, build_documents
from reconciler.manifests.parsing.events import BadEncoding, decode
from reconciler.manifests.parsing.files import SourceFile
from reconciler.manifests.problems import Problem
from reconciler.manifests.resource import Origin


def load_documents(files: list[SourceFile], values: Mapping[str, str] | None) -> tuple[list[Document], list[Problem]]:
    """The documents of `files` in order, and what is wrong with the YAML itself."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in files:
        try:
            text = decode(file.content)
        except BadEncoding as cause:
            position = Position(file.name, cause.line, cause.column)
            problems.append(Problem(Origin(file.name, cause.line), (), cause.summary, cause.detail, position=position))
            continue
        built, invalid = build_documents(file.name, text, values)
        documents += built
        problems += invalid
    return documents, problems
