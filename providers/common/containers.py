"""Galleries, definitions and versions in backends where such an object is a description and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.common.descriptions import ObjectDescription
from reconciler.providers.common.ownership import require_not_newer
from reconciler.providers.common.steps import applied, vanished
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, Step, Verb


class Container(Protocol):
    """The place of one description, open for reading and writing."""

    def read(self) -> ObjectDescription | None:
        """None if there is none; one without a mark for what lost it and is recorded as ours. Raises: ObjectConflict if
        there is one that is not ours; ProviderError."""
        ...

    def write(self, description: ObjectDescription) -> tuple[str, str]:
        """Makes this the description; the object's id and fingerprint. Raises: ProviderError."""
        ...


class ContainerStore(Protocol):
    """Where a backend keeps the descriptions of one lineage: each in the object's home region."""

    def require_free(self, address: Address, home: str) -> None:
        """Raises: ObjectConflict if another region than `home` has such an object that is not ours; ProviderError."""
        ...

    def opened(self, address: Address, home: str, *, create: bool) -> AbstractContextManager[Container]:
        """The place of a description; `create`: what should contain it may be created first. Raises: ProviderError."""
        ...

    def remove(self, address: Address, home: str) -> None:
        """Removes a description; one that is gone is fine.

        Raises: ObjectConflict if it is not ours; ProviderError, also if a later run wrote it.
        """
        ...


class Tidier(Protocol):
    """Removes what interrupted operations left at an address."""

    def tidy(self, address: Address) -> None:
        """Raises: ProviderError."""
        ...


def apply(
    store: ContainerStore,
    writer: Writer,
    step: Step,
    computed: Mapping[str, Any] | None = None,
    recorded: Mapping[str, Any] | None = None,
) -> Applied:
    """Does a step. `computed` replaces the computed part of the description; None keeps it. A description that was lost
    gets what is `recorded` of it.

    Raises: ProviderError, ObjectConflict among them.
    """
    address, home = step.address, home_of(step)
    if step.verb is Verb.DELETE:
        writer.require_lease()
        store.remove(address, home)
        return Applied()
    creates = step.verb is Verb.CREATE
    if creates:
        store.require_free(address, home)
    planned: Attributes = step.planned or {}
    with store.opened(address, home, create=creates) as container:
        present = container.read()
        if present is None and step.verb is Verb.UPDATE:
            raise vanished(address)
        if present is not None:
            require_not_newer(present.fence, writer, address)
        if computed is None:
            computed = (present.computed if present else {}) or recorded or {}
        mark = writer.owner.mark(address)
        written = ObjectDescription(mark, planned, computed, protect=step.protect, fence=writer.fence)
        writer.require_lease()
        object_id, fingerprint = container.write(written)
    return applied(object_id, fingerprint, planned, computed)


def home_of(step: Step) -> str:
    """The home region of a gallery, definition or version, which its description is kept in."""
    attributes = step.planned if step.planned is not None else step.prior
    return str((attributes or {}).get("location", ""))


def tidy(addresses: Sequence[Address], containers: Tidier, regions: Tidier) -> None:
    """Removes what interrupted operations left at these addresses. Raises: ProviderError."""
    for address in addresses:
        (regions if address.region else containers).tidy(address)
