"""`Resource`: one declared node of the graph, lowered from the documents to canonical attributes.

The rules by which attributes may change are declared on the documents' fields (`manifests/kinds`) with `Rule`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.diagnostics import Position
from reconciler.manifests.values import Attributes, canonical_json, digest


class Mutability(StrEnum):
    """What a change of an attribute means."""

    IN_PLACE = "in place"
    IMMUTABLE = "immutable"
    SHARING = "sharing"  # changes in place, through the provider's sharing operation
    WRITE_FLAG = "write flag"  # sent along with a write; never compared and never recorded


@dataclass(frozen=True, slots=True)
class Rule:
    """How one attribute may change, declared beside the field: `Annotated[str, Rule(Mutability.IN_PLACE)]`.

    `key` names the member that identifies the entries of a list: the canonical form is then an object by key.
    `lasting`: once set it can be changed but not removed. `unlocked_by` names the write flag with which it
    changes in place, though it cannot be removed. `source` says where the rule comes from.
    """

    mutability: Mutability = Mutability.IMMUTABLE
    key: str = ""
    lasting: bool = False
    unlocked_by: str = ""
    source: str = ""


IN_PLACE = Rule(Mutability.IN_PLACE)
IMMUTABLE = Rule(Mutability.IMMUTABLE)


class OnRemove(StrEnum):
    """What happens to the object when its manifest entry is removed."""

    DELETE = "delete"
    RETAIN = "retain"


@dataclass(frozen=True, slots=True)
class DriftException:
    """Drift of `attribute` that raises no alarm, `until` a date (ISO, empty for always), and why."""

    attribute: str
    reason: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Protection and exceptions for one resource. The `ignore_` fields hold attribute paths like `tags.owner`."""

    protect: bool = False
    on_remove: OnRemove = OnRemove.DELETE
    allow_replace: bool = False
    ignore_changes: tuple[str, ...] = ()
    ignore_drift: tuple[DriftException, ...] = ()


DEFAULT_LIFECYCLE = Lifecycle()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a resource's document is: file (relative to the project, '/' between parts) and first line, from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Resource:
    """One declared node. `canonical` is the canonical JSON of its attributes, `digest` that text's digest.

    `references` are the versions its sources name, in order; a source of `DEFINITION/latest` names the definition.
    `write_flags` are the names of the flags that are sent along with a write and are not attributes, sorted.
    """

    address: Address
    provider: str
    canonical: str
    digest: str
    origin: Origin
    lifecycle: Lifecycle = field(default=DEFAULT_LIFECYCLE)
    references: tuple[Address, ...] = ()
    write_flags: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        address: Address,
        provider: str,
        attributes: Attributes,
        origin: Origin,
        lifecycle: Lifecycle = DEFAULT_LIFECYCLE,
        references: tuple[Address, ...] = (),
        write_flags: tuple[str, ...] = (),
    ) -> Resource:
        """A Resource with its canonical text and digest taken from `attributes`."""
        text = canonical_json(attributes)
        return cls(address, provider, text, digest(text), origin, lifecycle, references, write_flags)

    @property
    def kind(self) -> Kind:
        return self.address.kind

    @property
    def position(self) -> Position:
        return Position(self.origin.file, self.origin.line)

    @property
    def attributes(self) -> Attributes:
        """The attributes, decoded again at each call, so that nothing can change what was declared."""
        attributes: Attributes = json.loads(self.canonical)
        return attributes
