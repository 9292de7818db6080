"""The copies of published versions before and after a plan: which are whole, and what `latest` is in each region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.latest import LatestChange, latest_by_region, latest_changes
from reconciler.manifests.address import Address
from reconciler.planning.actions import Action
from reconciler.planning.draft import Draft

DefinitionRegion = tuple[Address, str]


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of a version in one region: whether they are whole, and whether `latest` leaves them out."""

    whole: bool
    excluded: bool


def published_copies(draft: Draft) -> Mapping[Address, Copies]:
    """The target regions that exist in the definitions that change, recorded or not; unfinished ones are left out."""
    found: dict[Address, Copies] = {}
    if not draft.changes:
        return found
    for address in _existing_regions(draft):
        node = draft.node(address)
        known = node.observed or node.record
        if node.present and not node.unfinished and known is not None:
            found[address] = Copies(not node.damaged, bool(known.attributes.get("excludeFromLatest")))
    return found


def _existing_regions(draft: Draft) -> Iterator[Address]:
    definitions = {address[:2] for address in draft.changes}
    yield from (address for address in draft.records if address.region and address[:2] in definitions)
    yield from (
        address
        for address, change in draft.changes.items()
        if address.region and change.prior and address not in draft.records
    )


def latest_before(before: Mapping[Address, Copies]) -> Mapping[DefinitionRegion, str]:
    """(definition, region) -> the version that is `latest` there."""
    return latest_by_region((address, copies.excluded) for address, copies in before.items() if copies.whole)


def latest_after(
    draft: Draft, before: Mapping[Address, Copies], *, with_blocked: bool
) -> Mapping[DefinitionRegion, str]:
    """What `latest` is after the plan, with the changes that are blocked or without them. What is only forgotten
    continues to exist."""
    after = {address: copies.excluded for address, copies in before.items() if copies.whole}
    for address, change in draft.changes.items():
        if not address.region or (change.block and not with_blocked):
            continue
        if change.planned:
            after[address] = bool(change.planned_attributes.get("excludeFromLatest"))
        elif change.action is not Action.FORGET or not change.prior:
            after.pop(address, None)
    return latest_by_region(after.items())


def latest_moves(draft: Draft, before: Mapping[Address, Copies], *, with_blocked: bool) -> tuple[LatestChange, ...]:
    """Where `latest` differs after the plan, sorted by definition and region."""
    return latest_changes(latest_before(before), latest_after(draft, before, with_blocked=with_blocked))
