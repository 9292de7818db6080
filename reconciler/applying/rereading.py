"""Fingerprints of unchanged objects that were read again, as in a tree that was moved or restored, are recorded."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.applying.step_results import bookkeeping_write
from reconciler.planning.plan import Plan
from reconciler.state.store import StateWrite


def galleries_of(plan: Plan) -> frozenset[str]:
    """The galleries of the objects that were read again."""
    return frozenset(change.address.gallery for change in plan.reread)


def reread_write(plan: Plan, galleries: Collection[str]) -> StateWrite:
    """The write that records what a plan read again in these galleries; empty if that is nothing."""
    return bookkeeping_write(change for change in plan.reread if change.address.gallery in galleries)
