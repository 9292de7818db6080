"""Records which directory, pool or resource group each region is, before the first object is created in it."""

from __future__ import annotations

from collections import defaultdict

from reconciler.applying.context import ApplyContext
from reconciler.planning.plan import Plan
from reconciler.providers.errors import ProviderError
from reconciler.state.records import Place, State
from reconciler.state.store import StateWrite


def claim_places(plan: Plan, state: State, context: ApplyContext) -> None:
    """Claims the places of all regions in which something is recorded or planned and whose place is not recorded, or in
    which nothing is recorded any more; and that of what is in no region, as galleries are. Raises: StateError."""
    used = {(record.provider, address.region) for address, record in state.records.items()}
    planned = {(change.provider, change.address.region) for change in plan.changes}
    known = state.places.keys() & used
    wanted: dict[str, set[str]] = defaultdict(set)
    for provider, region in (used | planned) - known:
        if provider in context.providers:
            wanted[provider].add(region)
    places: list[Place] = []
    for provider, regions in sorted(wanted.items()):
        for region in sorted(regions):
            try:
                claimed = context.providers[provider].claim({region} if region else (), context.writer)
            except ProviderError:
                continue  # the operations in this region meet the same error, and report it
            places += [Place(provider, name, identity) for name, identity in sorted(claimed.items())]
    if places:
        context.store.write(context.lease, StateWrite(put_places=tuple(places)))
