"""Problems as diagnostics: each with its line and column, all of them in one error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from reconciler.manifests.diagnostics import Diagnostic, Position, error
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.parsing.disclosure import without_content
from reconciler.manifests.parsing.positions import Locator
from reconciler.manifests.problems import MOST_PROBLEMS, NOT_CHECKED, Problem
from reconciler.manifests.trust import Trust
from reconciler.manifests.words import without_secrets


def refuse(directory: Path, problems: Iterable[Problem], trust: Trust | None = None) -> NoReturn:
    """Raises: ManifestError with a Diagnostic for each of `problems`, in file order, each with its place and line."""
    every = list(problems)
    diagnostics = sorted(_located(Locator(directory, trust), every[:MOST_PROBLEMS]), key=_file_order)
    if len(every) > MOST_PROBLEMS:
        at_least = "at least " if any(problem.summary == NOT_CHECKED for problem in every[MOST_PROBLEMS:]) else ""
        diagnostics.append(error(f"and {at_least}{len(every) - MOST_PROBLEMS:,} more problems", "fix these first"))
    raise ManifestError(diagnostics)


def _located(locator: Locator, problems: Sequence[Problem]) -> list[Diagnostic]:
    return [_diagnostic(problem, locator) for problem in problems]


def _diagnostic(problem: Problem, locator: Locator) -> Diagnostic:
    position = locator.position(problem)
    if not locator.may_be_shown(problem.origin.file):
        problem = without_content(problem)
    return error(
        without_secrets(problem.summary),
        without_secrets(problem.detail),
        address=problem.address,
        position=position,
        line=without_secrets(locator.line(position)),
    )


def _file_order(diagnostic: Diagnostic) -> tuple[str, int, int, str]:
    position = diagnostic.position or Position("")
    return (position.file, position.line, position.column, diagnostic.summary)
