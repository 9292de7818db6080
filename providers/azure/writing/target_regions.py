"""The next state of a version: the steps of an operation merged into what the service shows now. Pure.

A write contains all target regions, and so also those that this operation does not change, whoever owns them. What one
write cannot do is done in several: a failed copy is removed before it is made again.
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
from reconciler.providers.owner import OwnerMark
from reconciler.providers.protocol import Step, Verb

ALLOW = "allowDeletionOfReplicatedLocations"


@dataclass(slots=True)
class Target:
    """The version after the next write. `leaving` are the regions that this write removes, `trying` those that it
    fills, `refused` the steps that cannot be done."""

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
    """The version after the next write of an operation."""
    own = handle.own
    if own is not None and own.planned is not None:
        attributes = own.planned
    else:
        attributes = _without_permission(version) if handle.lent else version.attributes
    target = Target(attributes, dict(version.regions), set(version.metadata.regions))
    for step in handle.region_steps:
        _merge(handle, version, step, target)
    if handle.restored:
        for region in version.metadata.regions - {step.address.region for step in handle.region_steps}:
            _leave(region, target)
    return target


def _without_permission(version: ServiceObject) -> Attributes:
    """The attributes without the permission to remove regions, which was granted for this operation."""
    safety = {**version.attributes.get("safety", {}), ALLOW: False}
    rest = {name: value for name, value in version.attributes.items() if name != "safety"}
    return {**rest, "safety": safety} if any(safety.values()) or "safety" in version.metadata.declared else rest


def _merge(handle: OperationHandle, version: ServiceObject, step: Step, target: Target) -> None:
    region = step.address.region
    exists, ours = region in version.regions, region in version.metadata.regions
    if exists and not ours:
        target.refused[step.address] = ObjectConflict(
            f"{step.address} exists and is not ours: another client added the region to {version.id}",
            "remove the region from the image version by hand, or from the manifest",
        )
        return
    match step.verb:
        case Verb.DELETE:
            if exists:
                _leave(region, target)
        case Verb.UPDATE:
            if not exists:
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
    """Merges a CREATE or REPLACE. The home region cannot be removed: a write of the version retries it."""
    region, home = step.address.region, version.attributes.get("location")
    exists = region in version.regions
    tried = region in handle.attempted
    again = exists and not tried and (step.verb is Verb.REPLACE or version.failed(region))
    if again and region != home and region not in handle.removed:
        _leave(region, target)
        return
    if region != home and not exists and not version.completed(str(home)) and not tried:
        target.refused[step.address] = SourceError(
            f"{step.address} cannot be copied: no region of {step.address.unit} has its content",
            "publish the version again: its source is only read when it is created",
        )
        return
    target.regions[region] = step.planned or {}
    target.ours.add(region)
    if not tried and (not exists or again or not version.completed(region)):
        target.trying.add(region)


def is_reached(target: Target, version: ServiceObject, owner: OwnerMark, computed: str) -> bool:
    """Whether there is nothing left to write."""
    return (
        not target.trying
        and not target.leaving
        and canonical_json(target.attributes) == canonical_json(version.attributes)
        and canonical_json(target.regions) == canonical_json(dict(version.regions))
        and target.metadata(owner, computed) == version.metadata
    )


def must_allow_first(target: Target, version: ServiceObject) -> bool:
    """Whether a write has to permit the removal of regions first."""
    safety: Mapping[str, Any] = version.body.get("properties", {}).get("safetyProfile") or {}
    return bool(target.leaving) and not safety.get(ALLOW, True)


def body_of(target: Target, version: ServiceObject, owner: OwnerMark, computed: str) -> dict[str, Any]:
    """The body of the next write: the target, or the present version with permission to remove regions."""
    if must_allow_first(target, version):
        kept = Target(version.attributes, dict(version.regions), set(version.metadata.regions))
        body = version_body(kept.attributes, kept.regions, kept.metadata(owner, computed), now=version.body)
        body["properties"]["safetyProfile"] = {**body["properties"]["safetyProfile"], ALLOW: True}
        return body
    body = version_body(target.attributes, target.regions, target.metadata(owner, computed), now=version.body)
    if target.leaving:
        body["properties"]["safetyProfile"] = {**body["properties"]["safetyProfile"], ALLOW: True}
    return body
