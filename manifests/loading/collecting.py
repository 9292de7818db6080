"""`Declarations`: the typed documents by address, before anything is inherited or compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import KindModel
from reconciler.manifests.kinds.documents import DOCUMENT_KINDS
from reconciler.manifests.kinds.gallery import Gallery
from reconciler.manifests.kinds.image_definition import ImageDefinition
from reconciler.manifests.kinds.image_version import ImageVersion
from reconciler.manifests.kinds.moved import Moved
from reconciler.manifests.kinds.removed import Removed
from reconciler.manifests.kinds.scalars import shape
from reconciler.manifests.parsing.schema_problems import raw_address, schema_problems
from reconciler.manifests.problems import Problem
from reconciler.manifests.resource import Origin
from reconciler.manifests.words import quoted, suggestion

if TYPE_CHECKING:
    from reconciler.manifests.parsing.documents import Document

M = TypeVar("M", bound=KindModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Declared(Generic[M]):
    """A document, the address it declares, and where it stands."""

    address: Address
    document: M
    origin: Origin


@dataclass(slots=True)
class Declarations:
    """What was declared. `broken`: addresses whose documents have problems; they exist, and cannot be looked into."""

    galleries: dict[Address, Declared[Gallery]] = field(default_factory=dict)
    definitions: dict[Address, Declared[ImageDefinition]] = field(default_factory=dict)
    versions: dict[Address, Declared[ImageVersion]] = field(default_factory=dict)
    moves: list[tuple[Moved, Origin]] = field(default_factory=list)
    removals: list[tuple[Removed, Origin]] = field(default_factory=list)
    broken: set[Address] = field(default_factory=set)

    def __contains__(self, address: Address) -> bool:
        return (
            address in self.versions
            or address in self.definitions
            or address in self.galleries
            or address in self.broken
        )

    def all(self) -> Iterator[Declared[KindModel]]:
        yield from self.galleries.values()
        yield from self.definitions.values()
        yield from self.versions.values()


def collect(documents: Sequence[Document]) -> tuple[Declarations, list[Problem]]:
    """The typed documents and every problem of a document by itself, an address declared twice included."""
    found = Declarations()
    problems: list[Problem] = []
    first: dict[str, Origin] = {}
    for document in documents:
        typed = _typed(document, problems, found.broken)
        if isinstance(typed, Moved):
            found.moves.append((typed, document.origin))
        elif isinstance(typed, Removed):
            found.removals.append((typed, document.origin))
        elif typed is not None:
            address = _address(typed)
            earlier = first.setdefault(str(address).lower(), document.origin)
            if earlier is document.origin:
                _add(found, address, typed, document.origin)
            else:
                problems.append(_twice(address, document.origin, earlier))
    return found, problems


def _typed(document: Document, problems: list[Problem], broken: set[Address]) -> KindModel | None:
    data, origin = document.data, document.origin
    if not isinstance(data, dict):
        problems.append(
            Problem(origin, (), f"a document must be a mapping, not {shape(data)}", "begin it with kind: KIND")
        )
        return None
    model = _model(data, origin, problems)
    if model is None:
        return None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        address = raw_address(data)
        if address:
            broken.add(address)
        problems.extend(schema_problems(error, model, origin, address))
        return None


def _model(data: Mapping[str, Any], origin: Origin, problems: list[Problem]) -> type[KindModel] | None:
    kind = data.get("kind")
    if kind is None:
        problems.append(
            Problem(origin, (), "the document has no kind", f"add kind: one of {', '.join(DOCUMENT_KINDS)}")
        )
        return None
    if not isinstance(kind, str):
        problems.append(
            Problem(origin, ("kind",), f"kind must be a word, not {shape(kind)}", suggestion("", DOCUMENT_KINDS))
        )
        return None
    if kind not in DOCUMENT_KINDS:
        problems.append(
            Problem(origin, ("kind",), f"the kind {quoted(kind)} is unknown", suggestion(kind, DOCUMENT_KINDS))
        )
        return None
    return DOCUMENT_KINDS[kind]


def _address(document: KindModel) -> Address:
    if isinstance(document, ImageVersion):
        return Address(document.image.gallery, document.image.definition, document.name)
    if isinstance(document, ImageDefinition):
        return Address(document.gallery.gallery, document.name)
    if isinstance(document, Gallery):
        return Address(document.name)
    raise TypeError(f"{type(document).__name__} declares no address. This is a bug.")


def _add(found: Declarations, address: Address, document: KindModel, origin: Origin) -> None:
    if isinstance(document, ImageVersion):
        found.versions[address] = Declared(address, document, origin)
    elif isinstance(document, ImageDefinition):
        found.definitions[address] = Declared(address, document, origin)
    elif isinstance(document, Gallery):
        found.galleries[address] = Declared(address, document, origin)


def _twice(address: Address, origin: Origin, earlier: Origin) -> Problem:
    return Problem(
        origin,
        ("name",),
        f"{address} is declared twice",
        f"the first time at {earlier.file}:{earlier.line} (case does not make a difference): rename or remove one",
        address,
    )
