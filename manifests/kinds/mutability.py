"""What may change in place, read from the rules beside the fields of the documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from reconciler.manifests.address import Kind
from reconciler.manifests.kinds.base import KindModel, Model, field_called, model_of, rule_of
from reconciler.manifests.kinds.registry import document_kinds
from reconciler.manifests.resource import IMMUTABLE, Mutability, Rule


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """The rule of one attribute; `path` is dotted and holds for everything below it that has no rule of its own."""

    kind: Kind
    path: str
    rule: Rule


def node_models() -> Mapping[Kind, type[Model]]:
    """The model that carries the rules of each kind of node, in the order of containment."""
    return {kind: model for spec in document_kinds().values() for kind, model in spec.nodes.items()}


@cache
def rule_for(kind: Kind, path: tuple[str, ...]) -> Rule:
    """The rule of the attribute at `path`: that of the longest prefix which has one, IMMUTABLE when none has.

    `path` runs through canonical attributes: after a keyed list comes the key of an entry (`dataDisks`, `0`, `source`).
    """
    model: type[Model] | None = node_models()[kind]
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


def mutability_table() -> tuple[AttributeRule, ...]:
    """Every attribute that has a rule of its own, by kind and in the order of the documents."""
    return tuple(
        AttributeRule(kind, ".".join(path), rule)
        for kind, model in node_models().items()
        for path, rule in _rules(model, ())
    )


def attribute_names(kind: Kind) -> tuple[str, ...]:
    """The top-level attributes of a kind: what `lifecycle.ignoreChanges` may begin with."""
    return tuple(
        field.alias or name
        for name, field in node_models()[kind].model_fields.items()
        if (rule := rule_of(field)) and rule.mutability is not Mutability.WRITE_FLAG
    )


def _rules(model: type[Model], prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Rule]]:
    for name, field in model.model_fields.items():
        path = (*prefix, field.alias or name)
        rule = rule_of(field)
        below = model_of(field.annotation)
        if rule:
            yield path, rule
        if below is not None and not issubclass(below, KindModel) and (rule or prefix):
            yield from _rules(below, path)
