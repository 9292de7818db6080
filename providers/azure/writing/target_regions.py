"""The next state of a version: the steps of an operation merged into what the service shows now. Pure.

A write contains all target regions, and so also those that this operation does not change, whoever owns them. What one
write cannot do is done in several: a region is removed before its copies are recreated. No write permits the removal of
regions unless the version is planned to permit it, or already does.
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
_FIXED = ("storageAccountType", "encryption")
_PERMIT = f"set safety.{ALLOW}: true on the version"


@dataclass(slots=True)
class Target:
    """The version after the next write. `leaving` are the regions that this write removes, `trying` those that it
    fills, `refused` the steps that cannot be done, `protected` what its tags say."""

    attributes: Attributes
    regions: dict[str, Attributes]
    ours: set[str]
    protected: bool
    leaving: set[str] = field(default_factory=set)
    trying: set[str] = field(default_factory=set)
    refused: dict[Address, ProviderError] = field(default_factory=dict)

    @property
    def regions_removable(self) -> bool:
        """Whether the version, as it is planned, permits the removal of regions."""
        return self.attributes.get("safety", {}).get(ALLOW) is True

    def metadata(self, mark: OwnerMark, computed: str, fence: int = 0) -> TagMetadata:
        """The metadata of the version; `fence` does not matter when it is compared."""
        regions = {name: self.regions[name] for name in sorted(self.ours) if name in self.regions}
        return metadata_for(mark, self.attributes, regions, computed, fence=fence, protected=self.protected)


def target_of(handle: OperationHandle, version: ServiceObject) -> Target:
    """The version after the next write of an operation."""
    own = handle.own
    if own is None or own.planned is None:
        attributes, protected = version.attributes, version.metadata.protected
    else:
        attributes, protected = own.planned, own.protect
    target = Target(attributes, dict(version.regions), set(version.metadata.regions), protected)
    for step in handle.region_steps:
        _merge(handle, version, step, target)
    if handle.restored:
        _drop_restored(handle, version, target)
    return target


def _drop_restored(handle: OperationHandle, version: ServiceObject, target: Target) -> None:
    """Removes the regions that a version had when it was deleted, and is not planned to have."""
    others = version.metadata.regions - {step.address.region for step in handle.region_steps}
    if others and not target.regions_removable:
        named = ", ".join(sorted(others))
        target.refused[handle.unit] = ProviderError(
            f"{handle.unit} was restored with target regions that the manifest does not have: {named}",
            f"declare them as well; they can be removed again once you {_PERMIT}",
        )
        return
    for region in others:
        _leave(region, target)


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
            if exists and not target.regions_removable:
                target.refused[step.address] = ProviderError(
                    f"{step.address} cannot be removed: {step.address.unit} does not allow its regions to be removed",
                    _PERMIT,
                )
            elif exists:
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
    """Merges a CREATE or REPLACE.

    A failed copy is tried again by a write that names its region. If that fails too, or the copies are complete and are
    to be recreated, the region is removed and added, which the version has to permit. Source: the service's error for
    failed replication, which advises both in this order.
    """
    region, home = step.address.region, str(version.attributes.get("location"))
    exists, tried = region in version.regions, region in handle.attempted
    retried = tried and version.failed(region)
    if exists and region not in handle.removed and (retried or (not tried and _must_leave(step, version))):
        why = _why_kept(step, target, home)
        if why is None:
            _leave(region, target)
            return
        if not retried:
            target.refused[step.address] = why
            return
    if region != home and not exists and not version.completed(home) and not tried:
        target.refused[step.address] = SourceError(
            f"{step.address} cannot be copied: no region of {step.address.unit} has its content",
            "publish the version again: its source is only read when it is created",
        )
        return
    target.regions[region] = step.planned or {}
    target.ours.add(region)
    if not tried and (not exists or not version.completed(region)):
        target.trying.add(region)


def _must_leave(step: Step, version: ServiceObject) -> bool:
    """Whether a region has to be removed before it can be as planned: a write with its name does not do it."""
    shown, planned = version.regions[step.address.region], step.planned or {}
    fixed = any(shown.get(name) != planned.get(name) for name in _FIXED)
    return step.verb is Verb.REPLACE and (fixed or not (step.repairs or version.failed(step.address.region)))


def _why_kept(step: Step, target: Target, home: str) -> ProviderError | None:
    """Why the copies in a region cannot be removed to be recreated; None when they can."""
    unit = step.address.unit
    if step.address.region == home:
        return ProviderError(
            f"{step.address} is the home region of {unit}: its copies can only be recreated together with the version",
            f"publish a new version, or replace this one: reconciler state taint {unit}, then apply with"
            f" --allow-replace {unit}",
        )
    if not target.regions_removable:
        return ProviderError(
            f"{step.address} can only be recreated after its copies are removed, which {unit} does not allow",
            f"publish a new version, or {_PERMIT}",
        )
    return None


def retry_remedy(version: ServiceObject) -> str:
    """What to do about regions whose copies failed."""
    retry = "apply again: only the regions that failed are retried"
    if version.attributes.get("safety", {}).get(ALLOW) is True:
        return retry
    return f"{retry}; if that does not help, {_PERMIT}, so that they are removed and added"


def is_reached(target: Target, version: ServiceObject, owner: OwnerMark, computed: str) -> bool:
    """Whether there is nothing left to write."""
    return (
        not target.trying
        and not target.leaving
        and canonical_json(target.attributes) == canonical_json(version.attributes)
        and canonical_json(target.regions) == canonical_json(dict(version.regions))
        and target.metadata(owner, computed) == version.metadata
    )


def body_of(target: Target, version: ServiceObject, mark: OwnerMark, computed: str, fence: int) -> dict[str, Any]:
    """The body of the next write: the target; before regions can leave, the present version with the permission that
    the target declares."""
    if target.leaving and not _permits_removal(version):
        safety = {**version.attributes.get("safety", {}), **target.attributes.get("safety", {})}
        kept = Target(
            {**version.attributes, "safety": safety},
            dict(version.regions),
            set(version.metadata.regions),
            version.metadata.protected,
        )
        return version_body(kept.attributes, kept.regions, kept.metadata(mark, computed, fence), now=version.body)
    return version_body(target.attributes, target.regions, target.metadata(mark, computed, fence), now=version.body)


def permits_first(target: Target, version: ServiceObject) -> bool:
    """Whether the next write only permits the removal of regions."""
    return bool(target.leaving) and not _permits_removal(version)


def _permits_removal(version: ServiceObject) -> bool:
    safety: Mapping[str, Any] = version.body.get("properties", {}).get("safetyProfile") or {}
    return bool(safety.get(ALLOW, True))
