"""What a plan decides about one node, and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.diagnostics import Position
from reconciler.manifests.resource import Origin
from reconciler.manifests.values import Attributes
from reconciler.providers.bound_sources import BoundSource


class Action(StrEnum):
    NO_OP = "no-op"
    ADOPT = "adopt"  # ours, and not recorded: only the record is written
    RECORD = "record"  # only the record changes: it moved, its lifecycle did, or its drift was accepted
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    FORGET = "forget"  # only the record is dropped

    @property
    def touches_objects(self) -> bool:
        """Whether a provider has to be called."""
        return self in _TOUCHING


_TOUCHING = frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE})


class Reason(StrEnum):
    MATCHES = "matches"
    NEW = "new"
    INTERRUPTED = "interrupted earlier"  # an earlier run started it, and how it ended is not recorded
    UNFINISHED = "not completed earlier"  # an earlier run was to create it, and there is nothing
    RUNNING = "being changed by another run"
    MARKED = "known from its mark"  # ours, and in no record
    VANISHED = "vanished"
    ATTRIBUTES = "attributes changed"
    IMMUTABLE = "immutable attribute changed"
    TAINTED = "tainted"
    DAMAGED = "damaged"
    CONTAINER = "container replaced"
    UNDESIRED = "no longer desired"
    DESTROY = "destroy"
    GONE = "already gone"
    RETAINED = "retained"
    REMOVED = "removed without destroying"
    MOVED = "moved"
    LIFECYCLE = "lifecycle changed"
    UNSEALED = "owner mark without a seal"
    ACCEPTED = "drift accepted"  # the manifests now say what the object has, and the record does not
    REREAD = "read again"  # as recorded, but not the files or the answer that the record knows


@dataclass(frozen=True, slots=True)
class ElementChange:
    """One element of a list or map: `key` is its key in a map and empty in a list, where its value identifies it.

    `before` is None for an element that is added, `after` for one that is removed.
    """

    key: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """One attribute: `path` joined with dots, the values before and after (None when absent), whether it may change in
    place, the source of that rule, and where the manifest says it (None unless looked up).

    `elements` are the changes within a list or map, sorted by key and value, at most `MOST_ELEMENTS`; `more_elements`
    counts those left out. There are none when only the order of a list changes. `note` is shown instead of the
    values where one of them cannot be known.
    """

    path: str
    before: Any
    after: Any
    in_place: bool
    rule: str = ""
    position: Position | None = None
    elements: tuple[ElementChange, ...] = ()
    more_elements: int = 0
    note: str = ""


MOST_ELEMENTS = 20


@dataclass(frozen=True, slots=True)
class Block:
    """Why a change is not allowed, and what would allow it: a sentence each."""

    why: str
    remedy: str


class EffectKind(StrEnum):
    """What a change does to those who create machines from the images."""

    LEAVES = "leaves regions"  # a published version, for good
    AWAY = "away for a while"  # a published version, until its replacement is there
    LAST_COPY = "last whole copy"  # of the content of a published version
    LATEST = "latest goes down"  # to a smaller version, or to none
    LAST_VERSION = "last version"  # of a definition


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of a change, and of those inside it that follow from it, as a sentence without its full stop.

    `versions` and `regions` are those concerned, sorted. `consent` names what allows it, as `--allow-loss corp/web`;
    empty where nothing does, and the change is blocked.
    """

    kind: EffectKind
    text: str
    versions: tuple[Address, ...]
    regions: tuple[str, ...]
    consent: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """One link of the chain that led to a change, the nearest first."""

    address: Address
    action: Action
    reason: Reason


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """What will be done about one node.

    `prior` and `planned` are canonical JSON, before (recorded, after refresh) and after; an empty string where there is
    no object. `declared` is the digest of the resource as declared. `fingerprint` and `computed` are the observed
    object's. `move_bytes` and `copies` say what is copied. `moved_from` is the address it is recorded under so far,
    `named` the object's name where that is not the address, and `write_flags` are sent along with a write. `removes` is
    what making the object also removes, besides objects of the state, a phrase for each thing. `effects` are what it
    does to users of the images. `staged`: a version is replaced by one operation, which makes all new copies before it
    removes an old one. `sources` are the contents that a version is published from.
    """

    address: Address
    action: Action
    reason: Reason
    provider: str
    prior: str = ""
    planned: str = ""
    declared: str = ""
    object_id: str = ""
    fingerprint: str = ""
    computed: str = "{}"
    changes: tuple[AttributeChange, ...] = ()
    causes: tuple[Cause, ...] = ()
    dependencies: tuple[Address, ...] = ()
    defects: tuple[str, ...] = ()
    protect: bool = False
    retain: bool = False
    origin: Origin | None = None
    move_bytes: int = 0
    copies: int = 0
    block: Block | None = None
    moved_from: Address | None = None
    named: Address | None = None
    write_flags: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    staged: bool = False
    sources: tuple[BoundSource, ...] = ()

    @property
    def kind(self) -> Kind:
        return self.address.kind

    @property
    def prior_attributes(self) -> Attributes:
        return _decoded(self.prior)

    @property
    def planned_attributes(self) -> Attributes:
        return _decoded(self.planned)


@lru_cache(maxsize=4096)
def _decoded(text: str) -> Attributes:
    """One decoded copy for all changes with the same text, as most regions have; it must not be modified."""
    attributes: Attributes = json.loads(text) if text else {}
    return attributes
