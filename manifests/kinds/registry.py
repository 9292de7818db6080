"""`KindSpec` describes one kind of document; `document_kinds` finds those that the modules of this package declare."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from reconciler.manifests import kinds
from reconciler.manifests.address import Address, Kind

if TYPE_CHECKING:
    from reconciler.manifests.kinds.base import KindModel, Model
    from reconciler.manifests.kinds.configuration import Configuration
    from reconciler.manifests.manifest import Move, Removal
    from reconciler.manifests.problems import Problem
    from reconciler.manifests.resource import Resource

M = TypeVar("M", bound="KindModel")

Lowered: TypeAlias = "Resource | Move | Removal"
ValidationRule: TypeAlias = "Callable[[Configuration], Iterator[Problem]]"

_LONGEST = 300
"""More than any address; a longer one is not repeated in messages."""


def _nothing(_: Any, __: Configuration) -> Iterator[Lowered]:
    return iter(())


@dataclass(frozen=True, slots=True)
class KindSpec(Generic[M]):
    """Everything that the rest of the program needs to know about one kind of document.

    `model` types and describes a document; its class name is what documents write as their `kind`.

    `lower` turns a valid document into the contents of the manifest. It is called with a `Declared` (for a kind with
    nodes) or a `TypedDocument`, and with the whole configuration. A document whose kind yields nothing has no effect.

    `nodes` are the nodes of the graph that a document becomes, its own first, each with the model whose fields carry
    the rules of change. Such a document has a `name` and is unique by address; `parent` is the field, spelled the same
    in Python and YAML, that holds the address of its container.

    `rules` check documents of this kind against others. Rules about several kinds at once are in
    `reconciler.manifests.validation`.

    A kind without nodes is parsed, checked, documented and part of the JSON Schema like any other, and may yield moves
    and removals. It has no address, so it cannot be planned, recorded or have an object of its own: addresses have one
    form, GALLERY/DEFINITION/VERSION@REGION, and their depth is the kind of node. A kind that has a name and a gallery
    but no such depth (an image template, say) can check in its `rules` that its gallery is declared and that its names
    are unique; to own an object, it needs addresses of its own first.
    """

    model: type[M]
    lower: Callable[[Any, Configuration], Iterator[Lowered]] = _nothing
    nodes: Mapping[Kind, type[Model]] = field(default_factory=dict)
    parent: str = ""
    rules: tuple[ValidationRule, ...] = ()

    @property
    def name(self) -> str:
        """What documents of this kind write as their `kind`."""
        return self.model.__name__

    @property
    def node_kind(self) -> Kind | None:
        """The kind of a document's own node; None when it has none."""
        return next(iter(self.nodes), None)

    def address(self, document: M) -> Address:
        """The address that a document declares. Only for kinds with nodes."""
        container: Address | tuple[()] = getattr(document, self.parent) if self.parent else ()
        gallery, *rest = (*filter(None, container), getattr(document, "name"))  # noqa: B009 - not every model has one
        return Address(gallery, *rest)

    def address_in(self, data: Mapping[str, Any]) -> Address | None:
        """The address that an invalid document seems to declare; None without a node, or when it is too broken."""
        name, container = data.get("name"), data.get(self.parent) if self.parent else ""
        if not isinstance(name, str) or not isinstance(container, str) or len(name) + len(container) > _LONGEST:
            return None
        try:
            address = Address.parse(f"{container}/{name}" if container else name)
        except ValueError:
            return None
        return address if address.kind is self.node_kind else None


@cache
def document_kinds() -> Mapping[str, KindSpec[Any]]:
    """Every kind by name: those with nodes from the outermost inwards, then all others, each group by name.

    Imports the modules of this package when it is first called.
    """
    specs: dict[str, KindSpec[Any]] = {}
    for info in pkgutil.iter_modules(kinds.__path__):
        spec = getattr(import_module(f"{kinds.__name__}.{info.name}"), "KIND", None)
        if not isinstance(spec, KindSpec):
            continue
        if spec.name in specs:
            raise TypeError(f"two modules declare the kind {spec.name}. This is a bug.")
        specs[spec.name] = spec
    return {spec.name: spec for spec in sorted(specs.values(), key=_order)}


def _order(spec: KindSpec[Any]) -> tuple[int, str]:
    depths = [*Kind]
    return (depths.index(spec.node_kind) if spec.node_kind else len(depths), spec.name)
