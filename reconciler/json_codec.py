"""Frozen values as JSON-shaped data and back, as the annotations of their dataclasses say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from reconciler.manifests.address import Address


def encode(value: Any) -> Any:
    """JSON-shaped data: addresses become text, enumerations their values, tuples lists, dataclasses objects."""
    if isinstance(value, Address):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode(kind: Any, data: Any) -> Any:
    """The value of type `kind` that `encode` made `data` from. A value of type Any is taken as it is.

    Raises: ValueError when `data` is not exactly that: a field is missing or unknown, or a value has another type.
    """
    arguments, origin = get_args(kind), get_origin(kind)
    if kind is Any:
        return data
    if kind is Address and isinstance(data, str):
        return Address.parse(data)
    if origin in (Union, UnionType):
        exact = (each for each in arguments if type(data) is each)
        return decode(next(exact, arguments[0]), data)
    if origin is tuple and isinstance(data, list):
        kinds = [arguments[0]] * len(data) if arguments[1:] == (...,) else arguments
        return tuple(_decode_each(kinds, data))
    if is_dataclass(kind) and isinstance(data, Mapping):
        return _decode_object(kind, data)
    if isinstance(kind, type) and issubclass(kind, tuple) and isinstance(data, list):
        return kind(*_decode_each(_annotations(kind).values(), data))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if type(data) is not kind:
        raise ValueError(f"{data!r} is not of type {kind}")
    return data


def _decode_each(kinds: Iterable[Any], data: list[Any]) -> list[Any]:
    return [decode(kind, item) for kind, item in zip(kinds, data, strict=True)]


def _decode_object(kind: Any, data: Mapping[str, Any]) -> Any:
    kinds = _annotations(kind)
    if data.keys() != kinds.keys():
        raise ValueError(f"{kind.__name__} has other fields: {', '.join(sorted(data.keys() ^ kinds.keys()))}")
    return kind(**{name: decode(kinds[name], value) for name, value in data.items()})


@cache
def _annotations(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind, localns={"Address": Address})  # which some modules import for the type checker alone
