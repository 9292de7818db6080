"""What a version is to become: the steps of an operation merged into what the service shows right now. Pure.

All target regions are written at once, so every write carries those that this operation is not about, whosever they
are. What cannot be done in one write (a failed copy is taken away before it is made again) comes one move at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.azure.bodies import metadata_for, version_body
from reconciler.providers.azure.observation.observed_objects import ServiceObject
from reconciler.providers.azure.service.tag_metadata import TagMetadata
from reconciler.providers.azure.writing.operation_handle import OperationHandle
from reconciler.providers.errors import ObjectConflict, ProviderError, SourceError
from reconciler.providers.protocol import OwnerMark, Step, Verb

ALLOW = "allowDeletionOfReplicatedLocations"


@dataclass(slots=True)
class Target:
    """What the version is to be after the next write. `leaving` are regions that this write takes away, `trying` those
    that it fills, `refused` steps that cannot be done."""

    attributes: Attributes
    regions: dict[str, Attributes]
    ours: set[str]
    leaving: set[str] = field(default_factory=set)
    trying: set[str] = field(default_factory=set)
    refused: dict[Address, ProviderError] = field(default_factory=dict)

    def metadata(self, owner: OwnerMark, computed: str) -> TagMetadata:
        regions = {name: self.regions[name] for name in sorted(self.ours) if name in self.regions}
        return metadata_for(owner, self.attributes, regions, computed)


def target_of(handle: OperationHandle, version: ServiceObject) -> Target:
    """The next thing that the version is to be."""
    own = handle.own
    if own is not None and own.planned is not None:
        attributes = own.planned
    else:
        attributes = _with_leave_withdrawn(version) if handle.lent else version.attributes
    target = Target(attributes, dict(version.regions), set(version.metadata.regions))
    for step in handle.region_steps:
        _merge(handle, version, step, target)
    if handle.restored:
        for region in version.metadata.regions - {step.address.region for step in handle.region_steps}:
            _leave(region, target)
    return target


def _with_leave_withdrawn(version: ServiceObject) -> Attributes:
    """The attributes as they were before regions were allowed to be taken away."""
    safety = {**version.attributes.get("safety", {}), ALLOW: False}
    rest = {name: value for name, value in version.attributes.items() if name != "safety"}
    return {**rest, "safety": safety} if any(safety.values()) or "safety" in version.metadata.declared else rest


def _merge(handle: OperationHandle, version: ServiceObject, step: Step, target: Target) -> None:
    region = step.address.region
    there, ours = region in version.regions, region in version.metadata.regions
    if there and not ours:
        target.refused[step.address] = ObjectConflict(
            f"{step.address} exists and is not ours: somebody added the region to {version.id}",
            "remove the region from the image version by hand, or from the manifest",
        )
        return
    match step.verb:
        case Verb.DELETE:
            if there:
                _leave(region, target)
        case Verb.UPDATE:
            if not there:
                target.refused[step.address] = ProviderError(f"{step.address} is gone", "plan again")
            else:
                target.regions[region] = step.planned or {}
        case _:
            _make(handle, version, step, target)


def _leave(region: str, target: Target) -> None:
    target.regions.pop(region, None)
    target.ours.discard(region)
    target.leaving.add(region)


def _make(handle: OperationHandle, version: ServiceObject, step: Step, target: Target) -> None:
    """A CREATE or REPLACE. The home region cannot be taken away: writing the version tries it again."""
    region, home = step.address.region, version.attributes.get("location")
    there = region in version.regions
    tried = region in handle.attempted
    again = there and not tried and (step.verb is Verb.REPLACE or version.failed(region))
    if again and region != home and region not in handle.removed:
        _leave(region, target)
        return
    if region != home and not there and not version.completed(str(home)) and not tried:
        target.refused[step.address] = SourceError(
            f"{step.address} cannot be copied: no region of {step.address.unit} has its content",
            "publish the version anew: its source is only read when it is made",
        )
        return
    target.regions[region] = step.planned or {}
    target.ours.add(region)
    if not tried and (not there or again or not version.completed(region)):
        target.trying.add(region)


def is_reached(target: Target, version: ServiceObject, owner: OwnerMark, computed: str) -> bool:
    """Whether nothing is left to write."""
    return (
        not target.trying
        and not target.leaving
        and canonical_json(target.attributes) == canonical_json(version.attributes)
        and canonical_json(target.regions) == canonical_json(dict(version.regions))
        and target.metadata(owner, computed) == version.metadata
    )


def must_allow_first(target: Target, version: ServiceObject) -> bool:
    """Whether the service has to be told first that regions may be taken away."""
    safety: Mapping[str, Any] = version.body.get("properties", {}).get("safetyProfile") or {}
    return bool(target.leaving) and not safety.get(ALLOW, True)


def body_of(target: Target, version: ServiceObject, owner: OwnerMark, computed: str) -> dict[str, Any]:
    """The body of the next write: the target, or the present with leave to take regions away."""
    if must_allow_first(target, version):
        kept = Target(version.attributes, dict(version.regions), set(version.metadata.regions))
        body = version_body(kept.attributes, kept.regions, kept.metadata(owner, computed), now=version.body)
        body["properties"]["safetyProfile"] = {**body["properties"]["safetyProfile"], ALLOW: True}
        return body
    body = version_body(target.attributes, target.regions, target.metadata(owner, computed), now=version.body)
    if target.leaving:
        body["properties"]["safetyProfile"] = {**body["properties"]["safetyProfile"], ALLOW: True}
    return body
