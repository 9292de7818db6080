"""Whose an object is, and the refusal when it is not ours."""

from __future__ import annotations

from reconciler.providers.errors import ObjectConflict
from reconciler.providers.protocol import OwnerMark


def whose(mark: OwnerMark | None) -> str:
    """How a message calls the owner of an object."""
    return f"belongs to {mark.address} of state {mark.lineage}" if mark else "bears no owner mark"


def require_mark(mark: OwnerMark | None, ours: OwnerMark) -> None:
    """Raises: ObjectConflict unless the mark is ours."""
    if mark != ours:
        raise ObjectConflict(
            f"{ours.address} is there already and {whose(mark)}", "rename the resource, or move that object away"
        )
