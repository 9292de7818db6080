"""What the safety rules know about a draft."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from reconciler.manifests.address import Address, Kind
from reconciler.naming.object_names import containers, within
from reconciler.planning.actions import Action, Reason, ResourceChange
from reconciler.planning.draft import Draft
from reconciler.planning.guard.consent import Consents
from reconciler.planning.guard.strangers import strangers_inside
from reconciler.planning.safety import Reach, SafetyContext
from reconciler.providers.protocol import Verb

_DESTRUCTIVE = frozenset({Action.DELETE, Action.REPLACE})


def safety_context(draft: Draft) -> SafetyContext:
    """The context of every rule. Nothing is looked up that no change asks for."""
    destructive = [change for change in draft.changes.values() if change.action in _DESTRUCTIVE]
    replaced = [change.address for change in destructive if change.action is Action.REPLACE]
    consents = Consents(draft)
    return SafetyContext(
        changes=draft.changes,
        published=frozenset(_published(draft)) if replaced else frozenset(),
        versions=_numbers(draft) if replaced else {},
        protected=frozenset(change.address for change in destructive if _is_protected(draft, change)),
        replaceable=frozenset(address for address in replaced if consents.replacing(address)),
        kept_inside=_kept_inside(draft),
        unmanaged_inside=strangers_inside(draft, destructive),
        fixed_regions=frozenset(change.address for change in destructive if _is_fixed(draft, change)),
        now=draft.inputs.now,
    )


def _published(draft: Draft) -> Iterator[Address]:
    """The versions that exist: those with a record, and those that the plan found without one."""
    for address in {*draft.records, *draft.changes}:
        if address.kind is Kind.IMAGE_VERSION and draft.node(address).present:
            yield address


def _numbers(draft: Draft) -> Mapping[Address, frozenset[str]]:
    """Definition -> the version numbers that are recorded or declared."""
    numbers: dict[Address, set[str]] = defaultdict(set)
    for address in draft.records.keys() | draft.inputs.manifest.resources.keys():
        if address.kind is Kind.IMAGE_VERSION and address.parent:
            numbers[address.parent].add(address.version)
    return {definition: frozenset(found) for definition, found in numbers.items()}


def _is_protected(draft: Draft, change: ResourceChange) -> bool:
    """Whether the manifest, the record or the object says so; of a region, also whether its version does."""
    return any(_says_protected(draft, address) for address in {change.address, change.address.unit})


def _says_protected(draft: Draft, address: Address) -> bool:
    node, declared = draft.node(address), draft.inputs.manifest.resources.get(address)
    recorded, observed = draft.records.get(address), node.observed
    return bool(
        (declared and declared.lifecycle.protect)
        or (recorded and recorded.protect)
        or (observed and observed.protected)
    )


def _is_fixed(draft: Draft, change: ResourceChange) -> bool:
    """Whether it takes a region from a version that stays and does not permit that. Repairs need no permission."""
    capabilities = draft.inputs.capabilities.get(change.provider)
    version = draft.changes.get(change.address.unit)
    stays = version is None or version.action not in _DESTRUCTIVE
    if not change.address.region or capabilities is None or not capabilities.regions_need_permission or not stays:
        return False
    declared = draft.inputs.manifest.resources.get(change.address.unit)
    safety = declared.attributes.get("safety", {}) if declared else {}
    return change.reason is not Reason.DAMAGED and safety.get("allowDeletionOfReplicatedLocations") is not True


def _kept_inside(draft: Draft) -> Mapping[Address, Address]:
    kept: dict[Address, Address] = {}
    for change in draft.changes.values():
        if change.action is Action.FORGET and change.reason in (Reason.RETAINED, Reason.REMOVED):
            for container in containers(change.address.unit):
                kept.setdefault(container, change.address)
    return kept


def reach_of(draft: Draft) -> Reach:
    """How much of the estate the changes take away; what a `Removed` document names is left out of what is forgotten,
    and so is what the journal says was deleted."""
    inputs, changes = draft.inputs, draft.changes.values()
    forgotten = [change for change in changes if change.action is Action.FORGET and change.address in draft.records]
    removed = [change for change in changes if change.action in _DESTRUCTIVE and change.prior]
    declared = bool(inputs.manifest.resources)
    if not declared:
        removed = [change for change in removed if not _named(draft, change.address)]
    return Reach(
        recorded=len(inputs.state.records),
        removed=len(removed),
        forgotten=sum(not _explained(draft, change) for change in forgotten),
        declared=declared,
    )


def _explained(draft: Draft, change: ResourceChange) -> bool:
    intent = draft.inputs.state.intents.get(change.address)
    deleted = intent is not None and intent.verb == Verb.DELETE
    return deleted or _named(draft, change.address)


def _named(draft: Draft, address: Address) -> bool:
    return any(within(address, removal.address) for removal in draft.inputs.manifest.removals)
