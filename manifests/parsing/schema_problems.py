"""Validation errors of the models as problems, each with a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import Model, field_called, holds_mapping, model_of
from reconciler.manifests.kinds.scalars import type_name
from reconciler.manifests.parsing.budget import MOST_PROBLEMS_IN_DOCUMENT
from reconciler.manifests.problems import DocumentPath, InvalidInput, Problem
from reconciler.manifests.resource import Origin
from reconciler.manifests.words import quoted, suggestion

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_TYPES = {"model_type": "a mapping", "dict_type": "a mapping", "list_type": "a list", "string_type": "a string"}

_LONGEST_KEY = 80


def schema_problems(
    error: ValidationError, model: type[Model], origin: Origin, address: Address | None, below: DocumentPath = ()
) -> Iterator[Problem]:
    """A Problem for everything that `model` rejects in the document at `origin`, or in what is at `below` in it.

    Of very many, only the first ones, and how many there are besides.
    """
    for detail in error.errors(include_url=False)[:MOST_PROBLEMS_IN_DOCUMENT]:
        summary, remedy = _sentence(detail, model, detail["loc"])
        path = (*below, *detail["loc"], *_refused_part(detail))
        where = dotted(path)
        yield Problem(origin, path, f"{where}: {summary}" if where else summary, remedy, address)
    more = error.error_count() - MOST_PROBLEMS_IN_DOCUMENT
    if more > 0:
        yield Problem(origin, below, f"and {more:,} more problems in this document", "fix the others first", address)


def dotted(path: DocumentPath) -> str:
    """A path as people write it: `targetRegions[0].name`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_short(part)}" for part in path if part != "[key]")
    return text.removeprefix(".")


def _short(key: str) -> str:
    return key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}…"


def model_at(model: type[Model], path: DocumentPath) -> type[Model] | None:
    """The model at `path` below `model`, or None."""
    current: type[Model] | None = model
    free_key = False
    for part in path:
        if current is None:
            return None
        if isinstance(part, str) and free_key:
            free_key = False
        elif isinstance(part, str):
            field = field_called(current, part)
            current = model_of(field.annotation) if field else None
            free_key = field is not None and holds_mapping(field.annotation)
    return current


def _sentence(detail: ErrorDetails, model: type[Model], path: DocumentPath) -> tuple[str, str]:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), model_at(model, path[:-1]))
    if kind == "missing":
        return "is missing", "add it: it has no default"
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}, not {type_name(detail['input'])}", _example(model_at(model, path))
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, InvalidInput):
        return cause.summary, cause.detail
    return f"is invalid: {detail['msg']}", ""


def _refused_part(detail: ErrorDetails) -> DocumentPath:
    """The path from the refused value to the part of it that a rule named."""
    cause = detail.get("ctx", {}).get("error")
    return cause.path if isinstance(cause, InvalidInput) else ()


def _unknown_key(key: str, model: type[Model] | None) -> tuple[str, str]:
    known = keys_of(model) if model else []
    remedy = model.unknown_key_remedy(key) if model else ""
    return f"unknown key {quoted(key)}", remedy or suggestion(key, known)


def _example(model: type[Model] | None) -> str:
    return f"keys: {', '.join(keys_of(model))}" if model else ""


def keys_of(model: type[Model]) -> list[str]:
    """The keys a mapping may have, in the order of the reference."""
    return [field.alias or name for name, field in model.model_fields.items()]
