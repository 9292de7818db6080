"""What a change costs, in copies and bytes, what it depends on, and which content it publishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.values import Attributes
from reconciler.planning.actions import Action, ResourceChange
from reconciler.planning.sources import SourceChecks, bound_sources, version_references
from reconciler.state.records import Record

Changes = Mapping[Address, ResourceChange]
Records = Mapping[Address, Record]


def dependencies(change: ResourceChange) -> tuple[Address, ...]:
    """What the planned object depends on: its container, and the versions that its disks come from."""
    parent = change.address.parent
    references = version_references(change.planned_attributes) if change.kind is Kind.IMAGE_VERSION else ()
    return (*((parent,) if parent else ()), *references)


def removals(change: ResourceChange, sources: SourceChecks) -> tuple[str, ...]:
    """What making a new version also removes; see `SourceFacts.removes`."""
    if change.action is not Action.CREATE:
        return ()
    checks = sources.get(change.address, {}).values()
    return tuple(dict.fromkeys(what for check in checks if check.facts for what in check.facts.removes))


def copies_and_bytes(
    change: ResourceChange, changes: Changes, records: Records, sources: SourceChecks
) -> tuple[int, int]:
    """A region's copies and the most bytes they can move: holes and shared blocks are not known yet."""
    version = change.address.unit
    copies = _copies(change, _version_attributes(version, changes, records))
    size = _size(version, changes, records, sources) if copies else 0
    return copies, copies * size


def bound_to_sources(changes: Changes, records: Records, sources: SourceChecks) -> dict[Address, ResourceChange]:
    """The changes that publish versions, each with the contents that it publishes."""
    publishing = (Action.CREATE, Action.REPLACE)
    return {
        address: replace(change, sources=bound)
        for address, change in changes.items()
        if address.kind is Kind.IMAGE_VERSION and change.action in publishing
        if (bound := bound_sources(change.planned_attributes, records.get(address), sources.get(address, {}), records))
    }


def _copies(change: ResourceChange, version: Attributes) -> int:
    if version.get("replicationMode") == "Shallow":
        return 0
    planned = int(change.planned_attributes.get("replicas", 1))
    if change.action in (Action.CREATE, Action.REPLACE):
        return planned
    if change.action is Action.UPDATE:
        return max(0, planned - int(change.prior_attributes.get("replicas", planned)))
    return 0


def _version_attributes(version: Address, changes: Changes, records: Records) -> Attributes:
    if version in changes:
        return changes[version].planned_attributes
    return records[version].attributes if version in records else {}


def _size(version: Address, changes: Changes, records: Records, sources: SourceChecks) -> int:
    """Bytes of one copy of all disks: of new sources, else as recorded, else of the versions that are its sources."""
    sizes = [check.facts.size for check in sources.get(version, {}).values() if check.facts]
    if sizes:
        return sum(sizes)
    if version in records:
        return sum(int(disk.get("size", 0)) for disk in records[version].computed_values.get("disks", {}).values())
    references = version_references(changes[version].planned_attributes) if version in changes else ()
    return sum(_size(reference, changes, records, sources) for reference in references if reference != version)
