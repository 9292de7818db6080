"""JSON Schema for editors, generated from the models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from reconciler.manifests.backends import FACTORIES, BrokenBackend, installed, settings_model
from reconciler.manifests.kinds.base import Model, default_of, models_within, rule_of
from reconciler.manifests.kinds.project_file import ProjectFile
from reconciler.manifests.kinds.registry import document_kinds
from reconciler.manifests.kinds.scalars import VALUE_REFERENCE
from reconciler.manifests.kinds.settings_file import SettingsFile

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
    for model in models_within(kinds):
        _describe_changes(model, definitions[model.__name__]["properties"])
    return {
        "$schema": DIALECT,
        "title": "Image gallery manifest",
        "anyOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in kinds],
        "$defs": {name: _for_editors(definition) for name, definition in definitions.items()} | _SHORTHANDS,
    }


def project_schema(backends: Mapping[str, type[Model] | None] | None = None) -> dict[str, Any]:
    """The schema of the project file, with the settings of `backends`: type -> model, or None where anything goes.
    Without them, of those that are installed."""
    schema = ProjectFile.model_json_schema(by_alias=True)
    schema["$defs"] |= _provider_definitions(_installed_backends() if backends is None else backends)
    return {"$schema": DIALECT, **_for_editors(schema)}


def settings_schema() -> dict[str, Any]:
    """The schema of the settings file."""
    return {"$schema": DIALECT, **_for_editors(SettingsFile.model_json_schema(by_alias=True))}


def _installed_backends() -> dict[str, type[Model] | None]:
    return {name: _loadable_model(name) for name in installed(FACTORIES)}


def _loadable_model(backend: str) -> type[Model] | None:
    """The model of a type's settings; None also when it is broken, which is no reason to have no schema of the rest."""
    try:
        return settings_model(backend)
    except BrokenBackend:
        return None


def _provider_definitions(backends: Mapping[str, type[Model] | None]) -> dict[str, Any]:
    """The definition of a provider, one of `backends` by its type, and those that it refers to."""
    definitions: dict[str, Any] = {}
    choices: list[dict[str, Any]] = [{**_open_mapping(VALUE_REFERENCE), "description": "A type given by a value."}]
    for backend, model in sorted(backends.items()):
        name = f"Provider_{re.sub(r'[^0-9A-Za-z]', '_', backend)}"
        kind = {"const": backend, "description": "Type of backend."}
        definitions[name] = _open_mapping(kind) if model is None else _closed_mapping(kind, model, name, definitions)
        choices.insert(-1, {"$ref": f"#/$defs/{name}"})
    return {**definitions, "ProviderEntry": {"description": "A backend and its settings.", "oneOf": choices}}


def _open_mapping(kind: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"type": kind}, "required": ["type"]}


def _closed_mapping(kind: dict[str, Any], model: type[Model], name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a provider with these settings; that of the models inside is added to `definitions`."""
    schema = model.model_json_schema(by_alias=True, ref_template=f"#/$defs/{name}_{{model}}")
    definitions |= {f"{name}_{inner}": definition for inner, definition in schema.pop("$defs", {}).items()}
    return {
        **schema,
        "properties": {"type": kind, **schema["properties"]},
        "required": ["type", *schema.get("required", [])],
    }


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
