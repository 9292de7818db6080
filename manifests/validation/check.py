"""All rules between documents: those of each kind, and those about several kinds at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from itertools import islice
from pkgutil import iter_modules

from reconciler.manifests import validation
from reconciler.manifests.kinds.configuration import Configuration
from reconciler.manifests.kinds.registry import ValidationRule, document_kinds
from reconciler.manifests.problems import MOST_PROBLEMS, NOT_CHECKED, Problem


def check(configuration: Configuration) -> list[Problem]:
    """Every problem that any rule finds; after very many, the rest is not checked, and the last one says so."""
    found = (problem for rule in rules() for problem in rule(configuration))
    problems = list(islice(found, MOST_PROBLEMS))
    after = next(found, None)
    return [*problems, replace(after, summary=NOT_CHECKED)] if after else problems


def rules() -> Iterator[ValidationRule]:
    """The rules of each kind, then those of every module in `reconciler.manifests.validation` that has `RULES`."""
    for spec in document_kinds().values():
        yield from spec.rules
    for module in iter_modules(validation.__path__):
        yield from getattr(import_module(f"{validation.__name__}.{module.name}"), "RULES", ())
