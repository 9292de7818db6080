"""`docs/manifest.md`, made from the models: `python -m reconciler.manifests.schema.reference > docs/manifest.md`."""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from reconciler.manifests.backends import own_settings_models
from reconciler.manifests.kinds.base import Model, default_of, holds_mapping, model_of, rule_of
from reconciler.manifests.kinds.image_version import VersionSettings
from reconciler.manifests.kinds.mutability import mutability_table
from reconciler.manifests.kinds.project_file import ProjectFile, ProjectSettings
from reconciler.manifests.kinds.registry import document_kinds
from reconciler.manifests.kinds.scalars import Choice, Integer, Scalar
from reconciler.manifests.kinds.target_region import TargetRegion
from reconciler.manifests.resource import Mutability, Rule

INTRODUCTION = """\
# Manifests

Generated from the models by `python -m reconciler.manifests.schema.reference`; change the models, not this page.

A manifest is a YAML file with any number of documents, separated by `---`; the order of documents and how they are
divided into files make no difference. Every document has a `kind`. Property names are those of the Azure Resource
Manager API.

- Scalars are strings until a property types them: `sku: 24.10` stays `24.10`, `no` stays `no`.
- A key without a value, `~` or `null` is not set. Quote the word to mean the string.
- Dates are `2030-01-31` or `2030-01-31T12:00:00Z`; the time defaults to midnight, the offset to UTC.
- `${values.NAME}` in any scalar is replaced by that value of the project file; `$${` is a literal `${`.
- Paths are relative to the file that they are written in.
- Unknown keys, duplicate keys, tags and merge keys are errors. Aliases (`*name`) may repeat a few thousand values.
- No string holds control characters (besides line breaks and tabs), line separators, or characters that reorder a line.
- The manifests of a project have at most 32 MiB, 1,000,000 lines, 50,000 documents, 1,000,000 values (100,000 in one
  document, nested 40 deep) and 200,000 target regions; `${values.NAME}` and aliases expand to at most 8 MiB. A project
  with more is refused with the place where the limit was reached; 1,000 problems are shown, and more only counted.
- Words from a list, such as `Linux`, may be written in any case, regions in any spelling (`East US`, `eastus`).

A property changes *in place*; by *replace* (immutable: the object is deleted and created again, which is blocked for
anything published unless it is allowed); or by *sharing* (in place, through the provider's sharing operation). A *write
flag* is sent along with a write and never compared. Lists whose entries have a key are compared by that key, so their
order makes no difference."""

_ELSEWHERE = (TargetRegion, ProjectSettings, VersionSettings)
"""Models with a section of their own."""

_CHANGE = {
    Mutability.IN_PLACE: "in place",
    Mutability.IMMUTABLE: "replace",
    Mutability.SHARING: "sharing",
    Mutability.WRITE_FLAG: "write flag",
}


def reference() -> str:
    """The whole page, Markdown."""
    parts = [INTRODUCTION]
    parts += [_section(f"kind: {name}", spec.model) for name, spec in document_kinds().items()]
    parts.append(_section("Entries of targetRegions", TargetRegion))
    parts.append(_section("reconciler.yaml", ProjectFile))
    parts += [_settings_section(backend, model) for backend, model in own_settings_models().items()]
    parts.append(_contract())
    return "\n\n".join(parts) + "\n"


def _section(title: str, model: type[Model]) -> str:
    rows = [
        f"| `{path}` | {_type(field)} | {_default(field)} | {_change(rule)} | {field.description} |"
        for path, field, rule in _fields(model)
    ]
    head = ["| property | type | default | change | meaning |", "| --- | --- | --- | --- | --- |"]
    return f"## {title}\n\n{model.__doc__}\n\n" + "\n".join([*head, *rows])


def _settings_section(backend: str, model: type[Model]) -> str:
    rows = [
        f"| `{path}` | {_type(field)} | {_default(field)} | {field.description} |" for path, field, _ in _fields(model)
    ]
    head = ["| setting | type | default | meaning |", "| --- | --- | --- | --- |"]
    return f"## Settings of the {backend} provider\n\n{model.__doc__}\n\n" + "\n".join([*head, *rows])


def _fields(
    model: type[Model], prefix: str = "", inherited: Rule | None = None
) -> Iterator[tuple[str, FieldInfo, Rule | None]]:
    """Path, field and rule of everything in a model, except for what has a section of its own."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        rule = rule_of(field) or inherited
        yield path, field, rule
        below = model_of(field.annotation)
        if below is not None and below not in _ELSEWHERE:
            yield from _fields(below, f"{path}{_suffix(field)}.", rule)


def _suffix(field: FieldInfo) -> str:
    if holds_mapping(field.annotation):
        return ".NAME"
    return "[]" if "list" in str(field.annotation) else ""


def _type(field: FieldInfo) -> str:
    for entry in field.metadata:
        if isinstance(entry, Choice):
            return ", ".join(f"`{word}`" for word in entry.words)
        if isinstance(entry, Integer):
            most = f" to {entry.most}" if entry.most < 2**31 - 1 else ""
            return f"number from {entry.least}{most}"
        if isinstance(entry, Scalar):
            return entry.what.split(" such as")[0].removeprefix("a ").removeprefix("an ").removeprefix("the ")
    return _structure(field.annotation)


def _structure(annotation: Any) -> str:
    """The type of an annotation without a scalar of its own, in one word."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return f"`{arguments[0]}`"
    if origin is list:
        return "list"
    if origin is dict:
        return "mapping"
    inner = [argument for argument in arguments if argument is not type(None)]
    if inner and origin is not typing.Annotated:
        return _structure(inner[0])
    return "mapping" if model_of(annotation) else "string"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = default_of(field)
    if default is None or default == "":
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _change(rule: Rule | None) -> str:
    if rule is None:
        return ""
    unlocked = f", in place with `{rule.unlocked_by}`" if rule.unlocked_by else ""
    return f"{_CHANGE[rule.mutability]}{', lasting' if rule.lasting else ''}{unlocked}"


def _contract() -> str:
    rows = ["| resource | attribute | change | source of the rule |", "| --- | --- | --- | --- |"]
    rows += [
        f"| {line.kind} | `{line.path}` | {_change(line.rule)} | {line.rule.source} |" for line in mutability_table()
    ]
    return (
        "## What may change in place\n\nA rule applies to everything below its attribute that has no rule of its own."
        " *Lasting*: once set, it can be changed but not removed.\n\n" + "\n".join(rows)
    )


if __name__ == "__main__":
    sys.stdout.write(reference())
