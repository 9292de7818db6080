"""`Configuration`: everything that the documents declare together, for rules to check and kinds to be lowered from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reconciler.manifests.address import Address
from reconciler.manifests.kinds.base import KindModel, write_flags
from reconciler.manifests.project import DEFAULT_PROVIDER, Project
from reconciler.manifests.resource import DEFAULT_LIFECYCLE, Lifecycle, Origin, Resource
from reconciler.manifests.values import Attributes

if TYPE_CHECKING:
    from reconciler.manifests.kinds.gallery import Gallery
    from reconciler.manifests.kinds.inheritance import ResolvedVersion
    from reconciler.manifests.kinds.lifecycle import LifecycleEntry

M = TypeVar("M", bound=KindModel, covariant=True)
K = TypeVar("K", bound=KindModel)


@dataclass(frozen=True, slots=True)
class TypedDocument(Generic[M]):
    """A document that its model accepts, and where it is."""

    document: M
    origin: Origin


@dataclass(frozen=True, slots=True)
class Declared(TypedDocument[M]):
    """A document of a kind with nodes, and the address that it declares."""

    address: Address

    @property
    def lifecycle_entry(self) -> LifecycleEntry | None:
        """The document's `lifecycle` as written; None when it has none."""
        entry: LifecycleEntry | None = getattr(self.document, "lifecycle", None)
        return entry

    @property
    def lifecycle(self) -> Lifecycle:
        """The document's lifecycle as the engine reads it."""
        entry = self.lifecycle_entry
        return entry.lowered() if entry else DEFAULT_LIFECYCLE


@dataclass(slots=True)
class Declarations:
    """The typed documents by the name of their kind in the order of reading, and those with nodes by address as well.

    `broken`: addresses whose documents have problems; they count as declared, but nothing else is known about them.
    """

    by_kind: dict[str, list[TypedDocument[Any]]] = field(default_factory=dict)
    by_address: dict[Address, Declared[Any]] = field(default_factory=dict)
    broken: set[Address] = field(default_factory=set)

    def __contains__(self, address: Address) -> bool:
        return address in self.by_address or address in self.broken

    def add(self, kind: str, document: TypedDocument[Any]) -> None:
        self.by_kind.setdefault(kind, []).append(document)
        if isinstance(document, Declared):
            self.by_address[document.address] = document

    def documents(self, model: type[K]) -> Sequence[TypedDocument[K]]:
        """All documents of one kind."""
        return self.by_kind.get(model.__name__, [])

    def nodes(self, model: type[K]) -> Sequence[Declared[K]]:
        """All documents of one kind with nodes."""
        return [document for document in self.documents(model) if isinstance(document, Declared)]

    def node(self, model: type[K], address: Address) -> Declared[K] | None:
        """The document of a kind with nodes that declares `address`; None when none does, or only a broken one."""
        declared = self.by_address.get(address)
        return declared if declared is not None and isinstance(declared.document, model) else None


@dataclass(frozen=True, slots=True)
class Configuration:
    """The project and its documents. `versions` are those whose definition and gallery are declared and valid."""

    project: Project
    declarations: Declarations
    versions: Mapping[Address, ResolvedVersion]

    def gallery(self, address: Address) -> Declared[Gallery] | None:
        """The gallery that `address` names or is in; None when it is not declared."""
        return self.declarations.by_address.get(Address(address.gallery))

    def provider(self, address: Address) -> str:
        """The name of the provider of the gallery that `address` names or is in."""
        gallery = self.gallery(address)
        return (gallery and gallery.document.provider) or DEFAULT_PROVIDER

    def declares(self, address: Address) -> bool:
        """Whether an address of any depth is declared; for a region, whether its version lists it."""
        if not address.region:
            return address in self.declarations
        version = self.versions.get(address._replace(region=""))
        return version is not None and any(region.name == address.region for region in version.regions)

    def node(self, declared: Declared[KindModel], attributes: Attributes) -> Resource:
        """The node of a document that refers to no other."""
        return Resource.of(
            declared.address,
            self.provider(declared.address),
            attributes,
            declared.origin,
            declared.lifecycle,
            write_flags=write_flags(declared.document),
        )
