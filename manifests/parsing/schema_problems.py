"""What the schema refuses, in sentences: validation errors of the models turned into problems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import Model, field_called, holds_mapping, model_of
from reconciler.manifests.kinds.scalars import shape
from reconciler.manifests.problems import DocumentPath, Problem, Refusal
from reconciler.manifests.resource import Origin
from reconciler.manifests.words import quoted, suggestion

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_SHAPES = {"model_type": "a mapping", "dict_type": "a mapping", "list_type": "a list", "string_type": "a text"}


def schema_problems(
    error: ValidationError, model: type[Model], origin: Origin, address: Address | None
) -> Iterator[Problem]:
    """A Problem for everything that `model` refuses in the document at `origin`."""
    for detail in error.errors(include_url=False):
        path = detail["loc"]
        summary, remedy = _sentence(detail, model, path)
        where = dotted(path)
        yield Problem(origin, path, f"{where}: {summary}" if where else summary, remedy, address)


def dotted(path: DocumentPath) -> str:
    """A path as people write it: `targetRegions[0].name`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path if part != "[key]")
    return text.removeprefix(".")


def model_at(model: type[Model], path: DocumentPath) -> type[Model] | None:
    """The model that stands at `path` below `model`, or None."""
    here: type[Model] | None = model
    free_key = False
    for part in path:
        if here is None:
            return None
        if isinstance(part, str) and free_key:
            free_key = False
        elif isinstance(part, str):
            field = field_called(here, part)
            here = model_of(field.annotation) if field else None
            free_key = field is not None and holds_mapping(field.annotation)
    return here


def _sentence(detail: ErrorDetails, model: type[Model], path: DocumentPath) -> tuple[str, str]:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), model_at(model, path[:-1]))
    if kind == "missing":
        return "is missing", "it has no default: add it"
    if kind in _SHAPES:
        return f"must be {_SHAPES[kind]}, not {shape(detail['input'])}", _example(model_at(model, path))
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, Refusal):
        return cause.summary, cause.detail
    return f"is refused: {detail['msg']}", ""


def _unknown_key(key: str, model: type[Model] | None) -> tuple[str, str]:
    known = keys_of(model) if model else []
    return f"the key {quoted(key)} is unknown here", suggestion(key, known)


def _example(model: type[Model] | None) -> str:
    return f"keys: {', '.join(keys_of(model))}" if model else ""


def keys_of(model: type[Model]) -> list[str]:
    """The keys a mapping may have, in the order of the reference."""
    return [field.alias or name for name, field in model.model_fields.items()]


def raw_address(data: dict[str, Any]) -> Address | None:
    """The address a faulty document seems to declare, for naming it; None when it cannot be told."""
    name, kind = data.get("name"), data.get("kind")
    parent = {"Gallery": "", "ImageDefinition": data.get("gallery"), "ImageVersion": data.get("image")}.get(str(kind))
    if not isinstance(name, str) or not isinstance(parent, str):
        return None
    try:
        address = Address.parse(f"{parent}/{name}" if parent else name)
    except ValueError:
        return None
    depth = {"Gallery": 1, "ImageDefinition": 2, "ImageVersion": 3}[str(kind)]
    return address if sum(map(bool, address)) == depth and not address.region else None
