"""JSON Schema for editors, generated from the models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from reconciler.manifests.kinds.base import Model, default_of, model_of, rule_of
from reconciler.manifests.kinds.project_file import ProjectFile
from reconciler.manifests.kinds.registry import document_kinds
from reconciler.manifests.kinds.scalars import VALUE_REFERENCE

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ANY_SCALAR = ["string", "number", "boolean"]
_SHORTHANDS = {
    "TargetRegionShorthand": {
        "type": "string",
        "pattern": r"^(@[A-Za-z0-9_][A-Za-z0-9_.-]*|[^@=]+)(=[0-9]+)?(=[A-Za-z0-9_]+)?$|\$\{values\.",
        "description": "REGION[=COUNT][=STORAGE] or @REGIONSET",
    },
    "AttributePath": {"type": "string", "description": "An attribute such as tags.owner"},
}
_ALSO_AS_STRING = {
    "#/$defs/TargetRegion": "#/$defs/TargetRegionShorthand",
    "#/$defs/DriftExceptionEntry": "#/$defs/AttributePath",
}


def json_schema() -> dict[str, Any]:
    """The schema of one manifest document: any of the kinds, distinguished by `kind`."""
    kinds = [spec.model for spec in document_kinds().values()]
    _, schema = models_json_schema([(model, "validation") for model in kinds], by_alias=True)
    definitions = schema["$defs"]
    for model in _with_inner(kinds):
        _describe_changes(model, definitions[model.__name__]["properties"])
    return {
        "$schema": DIALECT,
        "title": "Image gallery manifest",
        "anyOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in kinds],
        "$defs": {name: _for_editors(definition) for name, definition in definitions.items()} | _SHORTHANDS,
    }


def project_schema() -> dict[str, Any]:
    """The schema of the project file."""
    return {"$schema": DIALECT, **_for_editors(ProjectFile.model_json_schema(by_alias=True))}


def _with_inner(models: Sequence[type[Model]]) -> list[type[Model]]:
    """The models and every model inside them, each once."""
    found: dict[type[Model], None] = {}
    waiting = list(models)
    while waiting:
        model = waiting.pop()
        if model not in found:
            found[model] = None
            waiting += [inner for field in model.model_fields.values() if (inner := model_of(field.annotation))]
    return list(found)


def _describe_changes(model: type[Model], properties: dict[str, Any]) -> None:
    """Adds to each described attribute what a change of it means, and the default that is applied later."""
    for name, field in model.model_fields.items():
        described = properties[field.alias or name]
        rule = rule_of(field)
        if rule:
            described["description"] += f" Change: {rule.mutability.value}."
        default = default_of(field)
        if default is not None:
            described["default"] = default


def _for_editors(schema: Any) -> Any:
    """The schema as editors apply it: they see `24.10` and `true` already typed where the loader reads strings, and a
    key without a value is not set."""
    if isinstance(schema, list):
        return [_for_editors(entry) for entry in schema]
    if not isinstance(schema, dict) or schema == VALUE_REFERENCE:
        return schema
    if schema.get("type") == "string" and "pattern" not in schema and "const" not in schema:
        schema = {**schema, "type": _ANY_SCALAR}
    adapted = {
        key: _for_editors(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))
    }
    if "default" in adapted and (adapted["default"] is None or isinstance(adapted["default"], dict)):
        del adapted["default"]
        adapted = _or_null(adapted)
    items = adapted.get("items")
    if isinstance(items, dict) and items.get("$ref") in _ALSO_AS_STRING:
        adapted["items"] = {"anyOf": [items, {"$ref": _ALSO_AS_STRING[items["$ref"]]}]}
    return adapted


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema`, or null."""
    if {"type": "null"} in schema.get("anyOf", []):
        return schema
    outside = {key: schema.pop(key) for key in ("description",) if key in schema}
    choices = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    return {"anyOf": [*choices, {"type": "null"}], **outside}
