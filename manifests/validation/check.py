"""All rules between documents: those of each kind, and those about several kinds at once."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from reconciler.manifests import validation
from reconciler.manifests.kinds.configuration import Configuration
from reconciler.manifests.kinds.registry import ValidationRule, document_kinds
from reconciler.manifests.problems import Problem


def check(configuration: Configuration) -> list[Problem]:
    """Every problem that any rule finds."""
    return [problem for rule in rules() for problem in rule(configuration)]


def rules() -> Iterator[ValidationRule]:
    """The rules of each kind, then those of every module in `reconciler.manifests.validation` that has `RULES`."""
    for spec in document_kinds().values():
        yield from spec.rules
    for module in iter_modules(validation.__path__):
        yield from getattr(import_module(f"{validation.__name__}.{module.name}"), "RULES", ())
