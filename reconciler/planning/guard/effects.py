"""What a plan does to those who use the images, whatever action does it: one guard for all of them.

For every target region of a published version: is it usable before, meanwhile and after? Then, what becomes of
`latest`, and where are the last whole copies of a content? Published is what exists and is complete, recorded or not.

    effect        when                                                       why it needs consent
    LEAVES        a region of a published version is deleted, alone, with    machines can no longer be created from it
                  its version or with a container                            there
    AWAY          a region is replaced for a changed attribute or a taint,   the same, until the new copies are there;
                  alone, with its version or with a container; not where     and for good if they cannot be made
                  the backend makes the new copies first
    LAST_COPY     all whole copies of a version are deleted, or replaced     no one can bring the content back
                  by other content, and no other version has the same bytes
    LATEST        `latest` of a region becomes a smaller version, or ends    new machines silently get another image, or
                  there                                                      none
    LAST_VERSION  nothing published remains in a definition                  everyone who uses it

Retiring an old version is no exception, though it is done every month: a version that is renamed away, lost in a merge
or in a file that is no longer read looks just the same, and its bytes are gone for good. What says that it is meant is
its name: in a `Removed` document, which is reviewed with the rest and needs no option in a pipeline, or in an option.
The repair of damaged copies has no effect: nothing whole is lost, and the same bytes come back.

Effects are shown with the outermost change that they follow from, and aggregated there: a definition with ninety
versions has one row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from reconciler.manifests.address import Address, version_number
from reconciler.naming.object_names import containers
from reconciler.planning.actions import Action, Effect, EffectKind, ResourceChange
from reconciler.planning.draft import Draft
from reconciler.planning.guard.consent import Consents, Loss
from reconciler.planning.guard.content import content_replaced, without_twins
from reconciler.planning.guard.copies import Copies, latest_after, latest_before
from reconciler.planning.guard.effect_texts import effect_text
from reconciler.planning.guard.staging import is_staged
from reconciler.planning.safety import repairs

_ORDER = list(EffectKind)
Before = Mapping[Address, Copies]


def effects_of(draft: Draft, before: Before) -> Mapping[Address, tuple[Effect, ...]]:
    """The effects of every change that has any, by the address of the outermost change that they follow from. None of a
    `destroy`, which says itself that everything is to go."""
    if not before or draft.inputs.options.destroy:
        return {}
    grouped: dict[tuple[Address, EffectKind, str], list[Loss]] = defaultdict(list)
    consents = Consents(draft)
    for loss in _losses(draft, before):
        grouped[_outermost(draft, loss.region), loss.kind, consents.to(loss)].append(loss)
    effects: dict[Address, list[Effect]] = defaultdict(list)
    meanwhile = latest_before({a: copies for a, copies in before.items() if not _is_away(draft, a)})
    for (top, kind, consent), losses in sorted(grouped.items(), key=_sort_key):
        regions = [loss.region for loss in losses]
        effects[top].append(
            Effect(
                kind,
                effect_text(kind, losses, latest_before(before), meanwhile),
                tuple(sorted({region.unit for region in regions}, key=lambda version: version.sort_key)),
                tuple(sorted({region.region for region in regions})),
                consent,
            )
        )
    return {top: tuple(found) for top, found in effects.items()}


def _sort_key(item: tuple[tuple[Address, EffectKind, str], list[Loss]]) -> tuple[object, ...]:
    top, kind, consent = item[0]
    return (top.sort_key, _ORDER.index(kind), consent)


def _losses(draft: Draft, before: Before) -> Iterator[Loss]:
    leaving = [address for address in before if _leaves(draft.changes.get(address))]
    away = [address for address in before if _is_away(draft, address)]
    yield from (Loss(EffectKind.LEAVES, address) for address in leaving)
    yield from (Loss(EffectKind.AWAY, address) for address in away)
    yield from _last_copies(draft, before, leaving)
    yield from _lowered(draft, before)
    yield from _last_versions(draft, before, leaving)


def _leaves(change: ResourceChange | None) -> bool:
    return change is not None and change.action is Action.DELETE


def _is_away(draft: Draft, region: Address) -> bool:
    """Whether a region is without its copies until new ones are there."""
    change = draft.changes.get(region)
    if change is None or change.action is not Action.REPLACE or repairs(change):
        return False
    return not is_staged(draft, region.unit)


def _last_copies(draft: Draft, before: Before, leaving: Iterable[Address]) -> Iterator[Loss]:
    """The regions of versions whose content is gone with the plan."""
    whole: dict[Address, set[Address]] = defaultdict(set)
    for address, copies in before.items():
        if copies.whole:
            whole[address.unit].add(address)
    gone = set(leaving)
    replaced = {version for version in whole if content_replaced(draft.changes.get(version))}
    lost = {version for version, regions in whole.items() if version in replaced or regions <= gone}
    for version in without_twins(draft, lost) if lost else ():
        yield from (Loss(EffectKind.LAST_COPY, region) for region in whole[version])


def _lowered(draft: Draft, before: Before) -> Iterator[Loss]:
    """The regions whose copies are no longer `latest`, where that becomes a smaller version or ends."""
    after = latest_after(draft, before, with_blocked=True)
    for (definition, region), number in latest_before(before).items():
        becomes = after.get((definition, region))
        if becomes is None or version_number(becomes) < version_number(number):
            yield Loss(EffectKind.LATEST, definition._replace(version=number, region=region), becomes)


def _last_versions(draft: Draft, before: Before, leaving: Iterable[Address]) -> Iterator[Loss]:
    """A region of the greatest version of every definition that nothing is left of."""
    regions: dict[Address, list[Address]] = defaultdict(list)
    for address in leaving:
        regions[Address(address.gallery, address.definition)].append(address)
    planned = {change.address[:2] for change in draft.changes.values() if change.address.region and change.planned}
    remaining = {address[:2] for address in before if not _leaves(draft.changes.get(address))} | planned
    for definition, gone in sorted(regions.items()):
        if definition[:2] not in remaining:
            yield Loss(EffectKind.LAST_VERSION, max(gone, key=lambda address: version_number(address.version)))


def _outermost(draft: Draft, region: Address) -> Address:
    """The outermost container that is deleted or replaced with this region; the region itself if there is none."""
    own = draft.changes.get(region)
    for above in containers(region):
        change = draft.changes.get(above)
        if own is not None and change is not None and change.action is own.action and change.action in _WHOLE:
            return above
    return region


_WHOLE = frozenset({Action.DELETE, Action.REPLACE})
