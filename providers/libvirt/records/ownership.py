"""Who owns an object, and whether every volume with its name belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.common.ownership import require_mark, require_not_newer
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.libvirt.records.description_store import (
    BrokenDescription,
    DescriptionStore,
    StoredDescription,
)
from reconciler.providers.libvirt.records.descriptions import PendingVolumes
from reconciler.providers.libvirt.records.lost_descriptions import NOTHING_RECORDED, Recorded, restore_description
from reconciler.providers.owner import Writer

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.pools import Pool


def our_container(
    store: DescriptionStore, writer: Writer, address: Address, recorded: Recorded = NOTHING_RECORDED
) -> StoredDescription | None:
    """The description of our object in a pool; None if there is none, or only what is left of that of an object that
    the state has `recorded`.

    Raises: ObjectConflict if there is one that is not ours; ProviderError if a later run wrote it.
    """
    try:
        stored = store.description(address)
    except BrokenDescription as error:
        if error.lost and address in recorded.attributes:
            return None
        raise ObjectConflict(
            f"{address}: its owner is unknown: {error.message}",
            f"check the {store.pool}, and remove the description if no one needs it",
        ) from error
    if stored is not None:
        require_mark(stored.description.mark, writer.owner, address)
        require_not_newer(stored.description.fence, writer, address)
    return stored


def our_region(
    pool: Pool, writer: Writer, address: Address, recorded: Recorded = NOTHING_RECORDED
) -> tuple[StoredDescription | None, tuple[PendingVolumes, ...]]:
    """The description of our region, None without one, and the volumes that operations of ours left pending. If the
    state has `recorded` the region and its description is lost, it is written again.

    Raises: ObjectConflict if one of them, or a volume with one of the version's names, is not ours; ProviderError if a
    later run wrote one of them.
    """
    store = DescriptionStore(pool)
    stored = our_container(store, writer, address, recorded)
    pending = store.pending(address)
    for left in pending:
        require_mark(left.mark, writer.owner, address)
        require_not_newer(left.fence, writer, address)
    foreign = foreign_volumes(store, address, stored, pending)
    listed = [name for left in pending for name in left.volumes]
    if stored is None and (foreign or listed):
        stored = restore_description(pool, writer, address, foreign, listed, recorded)
        foreign = [] if stored else foreign
    if foreign:
        raise ObjectConflict(
            f"{address} contains volumes that are not ours: {', '.join(foreign)}",
            f"rename these volumes in the {pool}, or remove them, then apply again",
        )
    return stored, pending


def foreign_volumes(
    store: DescriptionStore, address: Address, stored: StoredDescription | None, pending: Iterable[PendingVolumes]
) -> list[str]:
    """The volumes with names of a version that neither its description nor its pending volumes include, sorted."""
    named = {copy.volume for copy in stored.description.copies} if stored else set()
    named |= {volume for left in pending for volume in left.volumes}
    return [name for name in store.volumes_named(address) if name not in named]
