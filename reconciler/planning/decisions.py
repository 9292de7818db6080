"""What to do about one node: the policy, in one function for each half of the table. Other nodes do not matter here.

    desired  recorded  observed                      action     reason
    yes      no        absent                        CREATE     new
    yes      no        ours                          ADOPT      interrupted earlier, or known from its mark; then as if
                                                                recorded
    yes      either    not ours                      error      not ours: import it or rename
    yes      yes       absent                        CREATE     vanished
    yes      yes       ours, equal                   NO_OP      matches
    yes      other     ours, equal                   RECORD     drift accepted
    yes      yes       ours, mutable differs         UPDATE     attributes changed
    yes      yes       ours, immutable differs,      REPLACE    which of the three
                       tainted, or container replaced
    no       yes       ours                          DELETE     no longer desired
    no       yes       not ours                      error      never delete what is not ours
    no       yes       absent                        FORGET     already gone
    no       no        present                       nothing

In a state of an earlier release, everything recorded is updated once: its owner mark gets a seal.
"Recorded" includes the journal. A target region with damaged content is replaced on its own: a copy has no name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Diagnostic, Position, error
from reconciler.manifests.resource import Resource
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.manifests.words import for_shell
from reconciler.planning.actions import Action, AttributeChange, Reason, ResourceChange
from reconciler.planning.diff import attribute_changes, with_values_of
from reconciler.providers.owner import Owner
from reconciler.providers.protocol import Condition, Observed
from reconciler.state.records import Intent, Record, Status


@dataclass(frozen=True, slots=True)
class Node:
    """Everything known about one address. `observed` is None when the object is absent, or when it is `matching`: as
    recorded. `owner` is the state, `named` the object's name where that is not the address, `moved_from` the
    address it is still recorded under, `rewritten` whether a source of it moves, `content` the sources whose content
    changed, and `keeps_protection` whether the object itself says that it is protected."""

    address: Address
    owner: Owner
    resource: Resource | None = None
    record: Record | None = None
    intent: Intent | None = None
    observed: Observed | None = None
    matching: bool = False
    named: Address | None = None
    moved_from: Address | None = None
    rewritten: bool = False
    content: tuple[AttributeChange, ...] = ()
    keeps_protection: bool = False

    @property
    def present(self) -> bool:
        return self.matching or self.observed is not None

    @property
    def ours(self) -> bool:
        """Whether the object has our mark for this address; a matching one had it when it was recorded, and one that
        lost its mark is ours if it is recorded. A mark without a seal is ours only as long as such marks are accepted,
        and only if the object is recorded."""
        if self.observed is None:
            return self.matching
        if self.observed.mark_lost:
            return self.record is not None
        mark = self.observed.mark
        if mark is not None and not mark.seal and self.record is None and self.intent is None:
            return False
        return self.owner.owns(self.observed.mark, self.named or self.address)

    @property
    def damaged(self) -> bool:
        return self.observed is not None and self.observed.condition is Condition.DAMAGED

    @property
    def unfinished(self) -> bool:
        return self.observed is not None and self.observed.condition is Condition.INCOMPLETE

    @property
    def position(self) -> Position | None:
        return self.resource.position if self.resource else None

    @property
    def prior(self) -> str:
        """The recorded values after refresh, as canonical text. An object whose description is lost says nothing of its
        values: those that were recorded count."""
        if self.observed is not None and (self.record is None or self.observed.canonical != "{}"):
            return self.observed.canonical
        return self.record.canonical if self.record else "{}"


Planned = Callable[[Resource, Record | None], Attributes]
"""The attributes as they will be recorded, with sources resolved."""


def unchanged(node: Node) -> bool:
    """Whether the policy says NO_OP where nothing needs to be compared: the object is as recorded, and the resource is
    declared as it was then, so no attribute can differ. A shortcut to `decide`, which says the same more slowly."""
    resource, record = node.resource, node.record
    return (
        resource is not None
        and record is not None
        and node.matching
        and not node.owner.accepts_unsealed
        and _declared_as_recorded(resource, record)
        and resource.provider == record.provider
        and _desired_and_present(node, resource, _protection_changes(node, resource))[0] is Action.NO_OP
    )


def decide(node: Node, planned: Planned) -> ResourceChange | Diagnostic:
    """The row of the table for this node; a Diagnostic for rows that are errors."""
    if node.resource is not None:
        return decide_desired(node, node.resource, planned)
    return decide_undesired(node)


def decide_desired(node: Node, resource: Resource, planned: Planned) -> ResourceChange | Diagnostic:
    """The rows with `desired: yes`."""
    record = node.record
    if record is not None and record.provider != resource.provider:
        return _provider_changed(node, record.provider, resource.provider)
    wanted = planned(resource, record)
    if not node.present:
        reason = Reason.VANISHED if record else Reason.UNFINISHED if node.intent else Reason.NEW
        return _change(node, Action.CREATE, reason, planned=canonical_json(wanted))
    if not node.ours:
        return _not_ours(node)
    if node.unfinished:
        return _change(node, Action.CREATE, Reason.INTERRUPTED, planned=canonical_json(wanted))
    prior: Attributes = json.loads(node.prior)
    kept = with_values_of(wanted, prior, resource.lifecycle.ignore_changes)
    changes = (
        *attribute_changes(prior, kept, node.address.kind, resource.write_flags),
        *node.content,
        *_protection_changes(node, resource),
    )
    action, reason = _desired_and_present(node, resource, changes)
    if reason is Reason.ACCEPTED and record is not None and node.observed is not None:
        changes = _accepted(record, node.observed, resource)
    return _change(node, action, reason, prior=node.prior, planned=canonical_json(kept), changes=changes)


def decide_undesired(node: Node) -> ResourceChange | Diagnostic:
    """The rows with `desired: no`."""
    if not node.present:
        return _change(node, Action.FORGET, Reason.GONE)
    if node.record is not None and node.record.retain:
        return _change(node, Action.FORGET, Reason.RETAINED, prior=node.prior)
    if not node.ours:
        return _not_ours(node)
    return _change(node, Action.DELETE, Reason.UNDESIRED, prior=node.prior)


def _desired_and_present(node: Node, resource: Resource, changes: tuple[AttributeChange, ...]) -> tuple[Action, Reason]:
    record = node.record
    if record is not None and record.status is Status.TAINTED:
        return Action.REPLACE, Reason.TAINTED
    if any(not change.in_place for change in changes):
        return Action.REPLACE, Reason.IMMUTABLE
    if node.damaged:
        return (Action.REPLACE if node.address.region else Action.UPDATE), Reason.DAMAGED
    if changes:
        only_protection = all(change.path == PROTECT for change in changes)
        return Action.UPDATE, Reason.LIFECYCLE if only_protection else Reason.ATTRIBUTES
    return _as_desired(node, resource)


def _as_desired(node: Node, resource: Resource) -> tuple[Action, Reason]:
    """For an object that is as desired: what is to be recorded of it, if anything."""
    record = node.record
    if node.intent is not None:
        return Action.ADOPT, Reason.INTERRUPTED
    if record is None:
        return Action.ADOPT, Reason.MARKED
    if node.owner.accepts_unsealed:
        return Action.UPDATE, Reason.UNSEALED
    if node.moved_from is not None or node.rewritten:
        return Action.RECORD, Reason.MOVED
    if not _lifecycle_recorded(resource, record):
        return Action.RECORD, Reason.LIFECYCLE
    if node.observed is not None:
        return _as_observed(record, node.observed, resource)
    return Action.NO_OP, Reason.MATCHES


def _as_observed(record: Record, observed: Observed, resource: Resource) -> tuple[Action, Reason]:
    """Whether the record says the same of the object."""
    if _accepted(record, observed, resource):
        return Action.RECORD, Reason.ACCEPTED
    if observed.fingerprint not in ("", record.fingerprint):
        return Action.RECORD, Reason.REREAD
    return Action.NO_OP, Reason.MATCHES


def _accepted(record: Record, observed: Observed, resource: Resource) -> tuple[AttributeChange, ...]:
    """How the record differs from the object in what the manifests decide."""
    recorded = record.attributes
    decided = with_values_of(observed.attributes, recorded, resource.lifecycle.ignore_changes)
    return attribute_changes(recorded, decided, record.address.kind)


PROTECT = "lifecycle.protect"


def _protection_changes(node: Node, resource: Resource) -> tuple[AttributeChange, ...]:
    """The protection that has to be written to the object, where its description keeps it; target regions keep none."""
    if not node.keeps_protection or node.address.region:
        return ()
    before = node.observed.protected if node.observed else bool(node.record and node.record.protect)
    after = resource.lifecycle.protect
    return (AttributeChange(PROTECT, before, after, in_place=True),) if before != after else ()


def _change(
    node: Node,
    action: Action,
    reason: Reason,
    *,
    prior: str = "",
    planned: str = "",
    changes: tuple[AttributeChange, ...] = (),
) -> ResourceChange:
    resource, record, observed, intent = node.resource, node.record, node.observed, node.intent
    lifecycle = resource.lifecycle if resource else None
    computed = observed.computed if observed and observed.computed != "{}" else record.computed if record else "{}"
    return ResourceChange(
        address=node.address,
        action=action,
        reason=reason,
        provider=resource.provider if resource else record.provider if record else intent.provider if intent else "",
        prior=prior,
        planned=planned,
        declared=resource.digest if resource else "",
        object_id=observed.object_id if observed else record.object_id if record else "",
        fingerprint=observed.fingerprint if observed else record.fingerprint if record else "",
        computed=computed,
        changes=changes,
        dependencies=record.dependencies if record else (),
        defects=observed.defects if observed else (),
        protect=lifecycle.protect if lifecycle else bool(record and record.protect),
        retain=lifecycle.on_remove == "retain" if lifecycle else bool(record and record.retain),
        origin=resource.origin if resource else None,
        moved_from=node.moved_from,
        named=node.named if node.named != node.address else None,
        write_flags=resource.write_flags if resource else (),
    )


def _declared_as_recorded(resource: Resource, record: Record) -> bool:
    """Whether nothing declared can differ from what is recorded. Equal digests are not enough: what was applied differs
    from the declaration where a change was ignored, and in the sources of versions, which are recorded as resolved."""
    return resource.digest == record.digest and resource.canonical == record.canonical


def _lifecycle_recorded(resource: Resource, record: Record) -> bool:
    lifecycle = resource.lifecycle
    return record.protect == lifecycle.protect and record.retain == (lifecycle.on_remove == "retain")


def _not_ours(node: Node) -> Diagnostic:
    observed = node.observed
    if observed is not None and observed.mark is not None:
        owner = f"it belongs to {observed.mark.address} of state {observed.mark.lineage}"
        if node.record is None:
            owner += "; if that was this project's state and is lost, make its records again: reconciler state rebuild"
    else:
        owner = "; ".join(observed.defects) if observed is not None and observed.defects else "it has no owner mark"
    if node.resource is None:
        return error(
            "refusing to delete an object that is not ours",
            f"{owner}; to drop only the record: reconciler state forget {for_shell(node.address)}",
            address=node.address,
        )
    return error(
        f"this {node.address.kind} already exists and is not ours",
        f"{owner}; rename the resource, or remove the object yourself if it is not needed",
        address=node.address,
        position=node.position,
    )


def _provider_changed(node: Node, before: str, after: str) -> Diagnostic:
    return error(
        f"the provider changed from '{before}' to '{after}'",
        "objects cannot move between providers: publish under a new gallery name, then remove this one",
        address=node.address,
        position=node.position,
    )
