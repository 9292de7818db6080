"""Who an object belongs to, and the refusal to touch it if that is not us."""

from __future__ import annotations

from reconciler.manifests.address import Address
from reconciler.providers.errors import ObjectConflict, ProviderError
from reconciler.providers.owner import Owner, OwnerMark, Writer


def owner_phrase(mark: OwnerMark | None, owner: Owner | None = None) -> str:
    """How a message names the owner of an object, after "which" or "and"; `owner` is the state that asks."""
    if mark is not None and owner is not None and mark.lineage == owner.lineage and not owner.owns(mark, mark.address):
        return f"names {mark.address} of this state in an owner mark without the right seal"
    return f"belongs to {mark.address} of state {mark.lineage}" if mark else "has no owner mark"


def require_mark(mark: OwnerMark | None, owner: Owner, address: Address) -> None:
    """Raises: ObjectConflict unless the mark, found at an object of this name, is the owner's."""
    if not owner.owns(mark, address):
        raise ObjectConflict(
            f"{address} already exists and {owner_phrase(mark, owner)}", "rename the resource, or move that object away"
        )


def require_not_newer(fence: int, writer: Writer, address: Address) -> None:
    """Raises: ProviderError if a later run than the writer's wrote the object: `fence` is the one in its description.
    So the writer has lost its lease, or its state is a copy that is behind."""
    if fence > writer.fence:
        raise ProviderError(
            f"{address} was written by a later run (fence {fence}) than this one (fence {writer.fence})",
            "plan again; if that does not help, this state is an old copy: use the one that was written last",
        )
