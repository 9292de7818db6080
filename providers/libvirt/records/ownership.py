"""Who owns an object, and whether every volume with its name belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.common.ownership import require_mark
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.libvirt.records.description_store import (
    BrokenDescription,
    DescriptionStore,
    StoredDescription,
)
from reconciler.providers.libvirt.records.descriptions import PendingVolumes
from reconciler.providers.owner import Owner

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.pools import Pool


def our_container(store: DescriptionStore, owner: Owner, address: Address) -> StoredDescription | None:
    """The description of our object in a pool; None if there is none.

    Raises: ObjectConflict if there is one that is not ours.
    """
    try:
        stored = store.description(address)
    except BrokenDescription as error:
        raise ObjectConflict(
            f"{address}: its owner is unknown: {error.message}",
            f"check the {store.pool}, and remove the description if no one needs it",
        ) from error
    if stored is not None:
        require_mark(stored.description.mark, owner, address)
    return stored


def our_region(pool: Pool, owner: Owner, address: Address) -> tuple[StoredDescription | None, PendingVolumes | None]:
    """The description of our region and the volumes that an operation of ours left pending; None for what is missing.

    Raises: ObjectConflict if one of them, or a volume with one of the version's names, is not ours.
    """
    store = DescriptionStore(pool)
    stored = our_container(store, owner, address)
    pending = store.pending(address)
    if pending is not None:
        require_mark(pending.mark, owner, address)
    foreign = foreign_volumes(store, address, stored, pending)
    if foreign:
        raise ObjectConflict(
            f"{address} contains volumes that are not ours: {', '.join(foreign)}",
            f"rename these volumes in the {pool}, or remove them, then apply again",
        )
    return stored, pending


def foreign_volumes(
    store: DescriptionStore, address: Address, stored: StoredDescription | None, pending: PendingVolumes | None
) -> list[str]:
    """The volumes with names of a version that neither its description nor its pending volumes include, sorted."""
    named = {copy.volume for copy in stored.description.copies} if stored else set()
    named |= set(pending.volumes) if pending else set()
    return [name for name in store.volumes_named(address) if name not in named]
