"""Whose an object is, and whether all that bears its name is its."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.manifests.address import Address
from reconciler.providers.common.ownership import require_mark
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.libvirt.records.description_store import Broken, Found, Shelf
from reconciler.providers.libvirt.records.descriptions import Making
from reconciler.providers.protocol import OwnerMark

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.pools import Pool


def our_document(shelf: Shelf, ours: OwnerMark) -> Found | None:
    """The description of our gallery, definition or version in a pool; None when there is none.

    Raises: ObjectConflict when one is there that is not ours.
    """
    try:
        found = shelf.description(ours.address)
    except Broken as error:
        raise _not_told(ours.address, error) from error
    if found is not None:
        require_mark(found.description.mark, ours)
    return found


def our_region(pool: Pool, ours: OwnerMark) -> tuple[Found | None, Making | None]:
    """The description of our region, and what an operation of ours left in the making there; None for what is not.

    Raises: ObjectConflict when one of them, or a volume in the version's name space, is not ours.
    """
    shelf = Shelf(pool)
    found = our_document(shelf, ours)
    making = shelf.making(ours.address)
    if making is not None:
        require_mark(making.mark, ours)
    strange = strangers(shelf, ours.address, found, making)
    if strange:
        raise ObjectConflict(
            f"{ours.address} holds what is not ours: {', '.join(strange)}",
            f"rename these volumes in the {pool}, or remove them, then apply again",
        )
    return found, making


def strangers(shelf: Shelf, address: Address, found: Found | None, making: Making | None) -> list[str]:
    """The volumes with a version's name that no description names, sorted."""
    named = {copy.volume for copy in found.description.copies} if found else set()
    named |= set(making.volumes) if making else set()
    return [name for name in shelf.volumes_named(address) if name not in named]


def _not_told(address: Address, error: Broken) -> ObjectConflict:
    return ObjectConflict(
        f"{address}: it cannot be told whose this is: {error}", "look at that pool, and remove it if nobody needs it"
    )
