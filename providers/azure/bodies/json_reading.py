"""Reads answers of the service, which may be anything: a value of an unexpected type counts as absent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from reconciler.providers.azure.service.canonical_values import enum_value as canonical_enum_value
from reconciler.providers.azure.service.tag_metadata import TagMetadata, from_tags

JsonObject = Mapping[str, Any]


def inside(body: Any, *path: str) -> JsonObject:
    """The object at `path`; an empty one when it is absent."""
    for name in path:
        body = body.get(name) if isinstance(body, Mapping) else None
    return body if isinstance(body, Mapping) else {}


def objects(value: Any) -> list[JsonObject]:
    """The objects of a list."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """A string that can be encoded; empty when `value` is not a string."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def texts(value: Any) -> list[str]:
    """The strings of a list that are not empty."""
    return [string for entry in value if (string := text(entry))] if isinstance(value, list) else []


def number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def enum_value(value: Any) -> str:
    """An enum value in its canonical spelling; empty when `value` is not a string."""
    return canonical_enum_value(text(value))


def own_tags(body: JsonObject) -> dict[str, str]:
    """The tags of an object, without those that hold our metadata."""
    _, own = from_tags(inside(body, "tags"))
    return {text(name): text(value) for name, value in own.items()}


def free_text(properties: JsonObject, name: str, metadata: TagMetadata) -> str | None:
    """A string that people wrote; None when it is absent. The service drops empty ones; the metadata records them."""
    string = text(properties.get(name))
    return string if string or name in metadata.declared else None


def members(shown: JsonObject, names: Iterable[str], read: Callable[[Any], Any]) -> dict[str, Any]:
    """The members called `names` as `read` returns them, without those that are None or empty."""
    return present({name: read(shown.get(name)) for name in names})


def present(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that are set: neither None nor an empty string or collection."""
    return {name: value for name, value in attributes.items() if value is not None and value not in ("", {}, [])}
