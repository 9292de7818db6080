"""`Manifest`: everything declared, by address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Diagnostic
from reconciler.manifests.resource import Origin, Resource


@dataclass(frozen=True, slots=True)
class Move:
    """A rename: what is recorded as `source` becomes `target`. The object is not touched."""

    source: Address
    target: Address
    origin: Origin


@dataclass(frozen=True, slots=True)
class Removal:
    """What `kind: Removed` says: drop the record, and keep the object unless `destroy`."""

    address: Address
    destroy: bool
    origin: Origin


@dataclass(frozen=True, slots=True)
class Manifest:
    """The desired world. `resources` holds all four kinds of node; `digest` changes when anything declared does."""

    resources: Mapping[Address, Resource]
    digest: str
    moves: tuple[Move, ...] = ()
    removals: tuple[Removal, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
