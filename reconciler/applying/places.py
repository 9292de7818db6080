"""Records which directory, pool or resource group each region is, before the first object is created in it."""

from __future__ import annotations

from collections import defaultdict

from reconciler.applying.context import ApplyContext
from reconciler.planning.plan import Plan
from reconciler.planning.refresh import home_regions
from reconciler.providers.errors import ProviderError
from reconciler.state.records import Place, State
from reconciler.state.store import StateWrite

Region = tuple[str, str]
"""Provider and region."""


def claim_places(plan: Plan, state: State, context: ApplyContext) -> None:
    """Claims the places of all regions in which something is recorded or planned and whose place is not recorded, or in
    which nothing is recorded any more; and that of what is in no region, as galleries are. Raises: StateError."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for provider, region in _unclaimed(plan, state):
        if provider in context.providers:
            wanted[provider].add(region)
    places: list[Place] = []
    for provider, regions in sorted(wanted.items()):
        for region in sorted(regions):
            try:
                claimed = context.providers[provider].claim({region}, context.writer)
            except ProviderError:
                continue  # the operations in this region meet the same error, and report it
            places += [Place(provider, name, identity) for name, identity in sorted(claimed.items())]
    if places:
        context.store.write(context.lease, StateWrite(put_places=tuple(places)))


def _unclaimed(plan: Plan, state: State) -> set[Region]:
    """Without those of which nothing is known: what is in their place now may be an empty mount point."""
    used = {(record.provider, address.region) for address, record in state.records.items()} | home_regions(state)
    planned = {(change.provider, change.address.region) for change in plan.changes}
    planned |= {
        (change.provider, str(change.planned_attributes["location"]))
        for change in plan.changes
        if change.planned and not change.address.version and "location" in change.planned_attributes
    }
    records = [state.records[address] for address, _ in plan.unreachable if address in state.records]
    unknown = {
        (record.provider, record.address.region or str(record.attributes.get("location", ""))) for record in records
    }
    return (used | planned) - (state.places.keys() & used) - unknown
