"""What may change in place, read from the rules beside the fields of the documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from reconciler.manifests.address import Kind
from reconciler.manifests.kinds.base import Model, field_called, model_of, rule_of
from reconciler.manifests.kinds.gallery import Gallery
from reconciler.manifests.kinds.image_definition import ImageDefinition
from reconciler.manifests.kinds.image_version import ImageVersion
from reconciler.manifests.kinds.target_region import TargetRegion
from reconciler.manifests.resource import IMMUTABLE, Mutability, Rule

MODELS: dict[Kind, type[Model]] = {
    Kind.GALLERY: Gallery,
    Kind.IMAGE_DEFINITION: ImageDefinition,
    Kind.IMAGE_VERSION: ImageVersion,
    Kind.TARGET_REGION: TargetRegion,
}


@dataclass(frozen=True, slots=True)
class ContractLine:
    """The rule of one attribute; `path` is dotted and holds for everything below it that has no line of its own."""

    kind: Kind
    path: str
    rule: Rule


@cache
def rule_for(kind: Kind, path: tuple[str, ...]) -> Rule:
    """The rule of the attribute at `path`: that of the longest prefix which has one, IMMUTABLE when none has.

    `path` runs through canonical attributes: after a keyed list comes the key of an entry (`dataDisks`, `0`, `source`).
    """
    model: type[Model] | None = MODELS[kind]
    rule = IMMUTABLE
    parts = iter(path)
    for part in parts:
        field = field_called(model, part) if model else None
        if field is None:
            return rule
        own = rule_of(field)
        rule = own or rule
        model = model_of(field.annotation)
        if own and own.key:
            next(parts, None)
    return rule


def mutability_table() -> tuple[ContractLine, ...]:
    """Every attribute that has a rule of its own, by kind and in the order of the documents."""
    return tuple(
        ContractLine(kind, ".".join(path), rule) for kind, model in MODELS.items() for path, rule in _rules(model, ())
    )


def attribute_names(kind: Kind) -> tuple[str, ...]:
    """The top-level attributes of a kind: what `lifecycle.ignoreChanges` may begin with."""
    return tuple(
        field.alias or name
        for name, field in MODELS[kind].model_fields.items()
        if (rule := rule_of(field)) and rule.mutability is not Mutability.WRITE_FLAG
    )


def _rules(model: type[Model], prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Rule]]:
    for name, field in model.model_fields.items():
        path = (*prefix, field.alias or name)
        rule = rule_of(field)
        below = model_of(field.annotation)
        if rule:
            yield path, rule
        if below is not None and below is not TargetRegion and (rule or prefix):
            yield from _rules(below, path)
