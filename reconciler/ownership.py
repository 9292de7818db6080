"""The state as the owner of objects, and a run as the one who writes for it."""

from __future__ import annotations

from reconciler.providers.owner import Owner, Writer
from reconciler.state.records import State
from reconciler.state.store import Lease


def owner_of(state: State) -> Owner:
    """The owner whose marks the objects of this state bear."""
    return Owner(state.lineage, state.key, accepts_unsealed=not state.sealed)


def writer_of(state: State, lease: Lease) -> Writer:
    """The run that holds `lease`, as providers know it."""
    return Writer(owner_of(state), lease.fence)
