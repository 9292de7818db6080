"""What all documents share: strictness, the names that ARM uses, and how a model becomes canonical attributes."""

from __future__ import annotations

import types
import typing
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationInfo
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from reconciler.manifests.identifiers.arm_ids import id_form, is_id_of, is_identifier
from reconciler.manifests.kinds.scalars import Scalar, type_name
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.resource import Mutability, Rule
from reconciler.manifests.values import canonical_json
from reconciler.manifests.words import quoted

IMAGES_DOC = "Azure documentation: store and share images in a gallery"
UPDATE_DOC = "Azure documentation: update gallery resources"
TROUBLESHOOTING_DOC = "Azure documentation: troubleshoot shared images"
SHARING_DOC = "Azure documentation: share a gallery"
ENCRYPTION_DOC = "Azure documentation: encrypt image versions with your own keys"
SOFT_DELETE_DOC = "Azure documentation: soft delete for galleries"
ARM_API = "Microsoft.Compute galleries API"
LASTING_DATE = f"{IMAGES_DOC}; an end-of-life date can be moved but not taken back"
CAUTION = "this project: what the service does not document as updatable is not changed in place"


class Model(BaseModel):
    """A mapping in a document: unknown keys are refused, and keys are spelled as in the ARM API."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    @classmethod
    def unknown_key_remedy(cls, key: str) -> str:  # noqa: ARG003 - for models that override it
        """What to do about an unknown key; empty to suggest the nearest known one."""
        return ""


class KindModel(Model):
    """A whole document, or a node of its own: only the fields with a Rule are attributes."""


PROJECT_DIRECTORY = "project_directory"
"""Where the context of a validation has the project's folder, a Path."""


def project_directory(info: ValidationInfo) -> Path:
    """The folder of the project that provider settings belong to, for the rules that need it."""
    directory: Path = (info.context or {}).get(PROJECT_DIRECTORY, Path())
    return directory


class SettingScalar(Scalar):
    """A scalar in the settings of a provider whose rule depends on the project, or on what is trusted beyond it."""

    @abstractmethod
    def parse_setting(self, text: str, info: ValidationInfo) -> Any:
        """The value that `text` spells. Raises: InvalidInput."""

    def parse(self, text: str) -> Any:
        raise NotImplementedError(text)  # no setting is read without its project

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: object, info: ValidationInfo) -> Any:
            if not isinstance(value, str):
                raise InvalidInput(f"must be {self.what}, not {type_name(value)}")
            return self.parse_setting(value, info)

        return core_schema.with_info_plain_validator_function(read)


@dataclass(frozen=True)
class ResourceId(Scalar):
    """The ARM id of a resource of one type: `type` is that type, and `named` what people call it."""

    named: str
    type: str

    def parse(self, text: str) -> str:
        if not is_id_of(text, self.type):
            raise InvalidInput(f"{quoted(text)} is not the id of a {self.named}", f"write {id_form(self.type)}")
        return text


@dataclass(frozen=True, slots=True)
class Default:
    """The value of a field that neither the document nor the defaults above it set."""

    value: str | int | bool


@dataclass(frozen=True, slots=True)
class UniqueBy:
    """The entries of a list differ in the member `key`."""

    key: str

    def __call__(self, entries: list[Any]) -> list[Any]:
        seen = set()
        for entry in entries:
            value = entry
            for part in self.key.split("."):
                value = getattr(value, _python_name(type(value), part))
            if value in seen:
                raise InvalidInput(
                    f"two entries have the same {self.key}, {value}", f"give each its own {self.key}, or merge them"
                )
            seen.add(value)
        return entries


def _python_name(model: type[Model], alias: str) -> str:
    return next(name for name, field in model.model_fields.items() if (field.alias or name) == alias)


def field_called(model: type[Model], alias: str) -> FieldInfo | None:
    """The field that is called `alias` in documents, or None."""
    return next((field for name, field in model.model_fields.items() if (field.alias or name) == alias), None)


def rule_of(field: FieldInfo) -> Rule | None:
    """The Rule declared beside a field, or None."""
    return next((entry for entry in field.metadata if isinstance(entry, Rule)), None)


def default_of(field: FieldInfo) -> str | int | float | bool | None:
    """The value of a field that is not set; None when it is then absent."""
    declared = next((entry.value for entry in field.metadata if isinstance(entry, Default)), None)
    if declared is not None:
        return declared
    return field.default if isinstance(field.default, str | int | float | bool) else None


def model_of(annotation: Any) -> type[Model] | None:
    """The model that an annotation holds: as itself, or as entries of a list or values of a mapping; or None."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return model_of(arguments[0])
    if origin in (typing.Union, types.UnionType, list, dict):
        return next((model for model in map(model_of, arguments) if model), None)
    return None


def models_within(models: Iterable[type[Model]]) -> list[type[Model]]:
    """The models and every model inside them, each once."""
    known: dict[type[Model], None] = {}
    waiting = list(models)
    while waiting:
        model = waiting.pop()
        if model not in known:
            known[model] = None
            waiting += [inner for field in model.model_fields.values() if (inner := model_of(field.annotation))]
    return list(known)


def attribute_fields(model: type[Model]) -> Iterator[tuple[str, str, FieldInfo]]:
    """Python name, name in the document, and field of what becomes part of the canonical attributes."""
    for name, field in model.model_fields.items():
        rule = rule_of(field)
        below = model_of(field.annotation)
        if rule is None and issubclass(model, KindModel):
            continue
        if below is not None and issubclass(below, KindModel):
            continue  # its entries are nodes of their own
        if rule is None or rule.mutability is not Mutability.WRITE_FLAG:
            yield name, field.alias or name, field


def canonical(model: Model) -> dict[str, Any]:
    """The attributes of `model` that are set, in the shapes that are compared; an empty collection is not set."""
    return canonical_values(type(model), model.__dict__)


def canonical_values(model: type[Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """The same for the values of such a model by Python name; names that are not attributes are left out."""
    attributes = {}
    for name, alias, convert in _conversions(model):
        value = values.get(name)
        if value is not None:
            converted = convert(value) if convert else value
            if converted or not isinstance(converted, dict | list):
                attributes[alias] = converted
    return attributes


def write_flags(document: Model) -> tuple[str, ...]:
    """The names of the write flags that are set, sorted."""
    names = [
        name for name, value in document.__dict__.items() if value is True and _is_write_flag(type(document), name)
    ]
    return tuple(sorted(type(document).model_fields[name].alias or name for name in names))


@cache
def _is_write_flag(model: type[Model], name: str) -> bool:
    rule = rule_of(model.model_fields[name])
    return rule is not None and rule.mutability is Mutability.WRITE_FLAG


@cache
def _conversions(model: type[Model]) -> tuple[tuple[str, str, Callable[[Any], Any] | None], ...]:
    return tuple((name, alias, _conversion(field)) for name, alias, field in attribute_fields(model))


def _conversion(field: FieldInfo) -> Callable[[Any], Any] | None:
    """The function that makes a field's value canonical; None when it already is."""
    rule = rule_of(field)
    key = rule.key if rule else ""
    if model_of(field.annotation) is None and not _is_list(field.annotation):
        return None

    def convert(value: Any) -> Any:
        if isinstance(value, list):
            return _keyed(value, key) if key else _as_set(value)
        return canonical(value)

    return convert


def holds_mapping(annotation: Any) -> bool:
    """Whether an annotation is a mapping with free keys."""
    return typing.get_origin(annotation) is dict or any(map(holds_mapping, typing.get_args(annotation)))


def _is_list(annotation: Any) -> bool:
    return typing.get_origin(annotation) is list or any(map(_is_list, typing.get_args(annotation)))


def _as_set(values: list[Any]) -> list[Any]:
    if any(isinstance(value, Model) for value in values):
        return sorted((canonical(value) for value in values), key=canonical_json)
    distinct = {value.lower() if is_identifier(value) else value: value for value in reversed(values)}
    return sorted(distinct.values())


def _keyed(entries: list[Model], key: str) -> dict[str, Any]:
    """The entries as an object by the member `key` (dotted when it is nested), which is taken out of each."""
    by_key = {}
    for entry in entries:
        attributes = canonical(entry)
        *parents, last = key.split(".")
        inside = attributes
        for parent in parents:
            inside = inside[parent]
        by_key[str(inside.pop(last))] = attributes
    return dict(sorted(by_key.items()))
