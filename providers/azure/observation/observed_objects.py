"""Converts bodies of the service to `Observed` values with condition and fingerprint. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.values import Attributes, canonical_json, digest
from reconciler.providers.azure.bodies import (
    definition_attributes,
    gallery_attributes,
    region_attributes,
    version_attributes,
)
from reconciler.providers.azure.service import canonical_values
from reconciler.providers.azure.service.tag_metadata import TagMetadata, from_tags
from reconciler.providers.common.ownership import owner_phrase, require_not_newer
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.owner import Owner, OwnerMark, Writer
from reconciler.providers.protocol import Applied, Condition, Observed

Json = Mapping[str, Any]

_IN_FLIGHT = frozenset({"creating", "updating", "deleting", "migrating"})
COMPLETED, FAILED = "completed", "failed"


@dataclass(frozen=True, slots=True)
class Replication:
    """The replication to one region: its state in lower case, its progress in percent, and details of a failure."""

    state: str
    percent: int
    details: str


@dataclass(frozen=True, slots=True)
class ServiceObject:
    """One gallery, definition or version as the service shows it. `regions` are all target regions of a version, ours
    or not; `replication` is None when it was not requested."""

    kind: Kind
    body: Json
    metadata: TagMetadata
    attributes: Attributes
    regions: Mapping[str, Attributes]
    replication: Mapping[str, Replication] | None

    @property
    def state(self) -> str:
        """The provisioning state in lower case."""
        return str(self.body.get("properties", {}).get("provisioningState", "")).lower()

    @property
    def in_flight(self) -> bool:
        return self.state in _IN_FLIGHT

    @property
    def id(self) -> str:
        return str(self.body.get("id", ""))

    @property
    def published(self) -> str:
        return str(self.body.get("properties", {}).get("publishingProfile", {}).get("publishedDate", ""))

    def mark(self, address: Address) -> OwnerMark | None:
        """The owner mark of the object; a target region is only ours if the metadata names it."""
        owner = self.metadata.owner
        if owner is None or not address.region:
            return owner
        if address.region not in self.metadata.regions:
            return None
        return OwnerMark(owner.lineage, owner.address._replace(region=address.region), owner.seal)

    def is_ours(self, owner: Owner, address: Address) -> bool:
        return owner.owns(self.mark(address), address)

    def completed(self, region: str) -> bool:
        """Whether a region has its copies, as far as that was requested."""
        if self.replication is None:
            return self.state == "succeeded"
        status = self.replication.get(region)
        return status is not None and status.state == COMPLETED

    def failed(self, region: str) -> bool:
        status = (self.replication or {}).get(region)
        return status is not None and status.state == FAILED

    @property
    def any_completed(self) -> bool:
        return any(map(self.completed, self.regions))


def service_object(kind: Kind, body: Json) -> ServiceObject:
    """The object that a body of the service describes."""
    tags = body.get("tags")
    metadata, _ = from_tags(tags if isinstance(tags, Mapping) else {})
    regions: Mapping[str, Attributes] = {}
    match kind:
        case Kind.GALLERY:
            attributes = gallery_attributes(body, metadata)
        case Kind.IMAGE_DEFINITION:
            attributes = definition_attributes(body, metadata)
        case _:
            attributes = version_attributes(body, metadata)
            regions = region_attributes(body, metadata)
    return ServiceObject(kind, body, metadata, attributes, regions, _replication(body))


def _replication(body: Json) -> Mapping[str, Replication] | None:
    status = body.get("properties", {}).get("replicationStatus")
    if not isinstance(status, Mapping):
        return None
    return {
        canonical_values.region(entry.get("region")): Replication(
            str(entry.get("state", "")).lower(), int(entry.get("progress") or 0), str(entry.get("details") or "")
        )
        for entry in status.get("summary") or ()
    }


def with_security(obj: ServiceObject, body: Json) -> ServiceObject:
    """The same version with the firmware settings in `body`."""
    security = body.get("properties", {}).get("securityProfile")
    properties = {**obj.body.get("properties", {}), "securityProfile": security}
    return replace(service_object(obj.kind, {**obj.body, "properties": properties}), replication=obj.replication)


def observed(obj: ServiceObject, address: Address, *, recorded: bool = False) -> Observed | None:
    """The object or target region at `address`; None when the version does not have that region.

    `recorded`: whether the state has it as complete, so that failed copies mean damage.
    """
    region = address.region
    if region and region not in obj.regions:
        return None
    condition, defects = _region_condition(obj, region, recorded) if region else _condition(obj, recorded)
    return Observed(
        address=address,
        object_id=f"{obj.id}@{region}" if region else obj.id,
        mark=obj.mark(address),
        fingerprint=_fingerprint(obj, address),
        canonical=canonical_json(obj.regions[region] if region else obj.attributes),
        condition=condition,
        defects=defects,
        computed=obj.metadata.computed,
        protected=obj.metadata.protected and not region,
        fence=obj.metadata.fence,
    )


def require_writable(obj: ServiceObject, unit: Address, writer: Writer) -> None:
    """Raises: ObjectConflict for an object at `unit` that is not the writer's; ProviderError for one that a later run
    has written."""
    if not obj.is_ours(writer.owner, unit):
        message = f"{unit} exists and {owner_phrase(obj.metadata.owner, writer.owner)} ({obj.id})"
        raise ObjectConflict(message, "rename it, or remove the object if it is not needed")
    require_not_newer(obj.metadata.fence, writer, unit)


def applied(obj: ServiceObject, address: Address) -> Applied:
    """The result of a successful step on an object."""
    observation = observed(obj, address)
    if observation is None:
        raise ValueError(f"{address} does not exist after it was created. This is a bug.")
    return Applied(observation.object_id, observation.fingerprint, observation.canonical, observation.computed)


def _condition(obj: ServiceObject, recorded: bool) -> tuple[Condition, tuple[str, ...]]:
    """A version that has failed is only unfinished while it was never recorded as complete: that is recreated, while
    one that somebody may use is repaired."""
    if obj.in_flight:
        return Condition.BUSY, (f"an operation is in progress: {obj.state}",)
    if obj.state != FAILED:
        return Condition.READY, ()
    if obj.kind is not Kind.IMAGE_VERSION:
        return Condition.INCOMPLETE, ("the service failed to create it",)
    if obj.any_completed:
        return _condition_of_the_rest(obj)
    return _broken(recorded), ("no region has its copies" if obj.replication else "the service failed to create it",)


def _condition_of_the_rest(obj: ServiceObject) -> tuple[Condition, tuple[str, ...]]:
    """The condition of a failed version that has copies: what failed is reported by its region, if it was a copy."""
    if any(map(obj.failed, obj.regions)):
        return Condition.READY, ()
    return Condition.DAMAGED, ("the service failed to change it",)


def _broken(recorded: bool) -> Condition:
    return Condition.DAMAGED if recorded else Condition.INCOMPLETE


def _region_condition(obj: ServiceObject, region: str, recorded: bool) -> tuple[Condition, tuple[str, ...]]:
    if obj.completed(region):
        return Condition.READY, ()
    if obj.failed(region):
        details = (obj.replication or {})[region].details or "no details"
        return _broken(recorded), (f"replication failed: {details}",)
    if obj.state == FAILED:
        return _broken(recorded), ("the service failed to create the version",)
    if obj.in_flight or obj.replication is not None:
        return Condition.BUSY, ("the service is copying to it",)
    return Condition.READY, ()


def _fingerprint(obj: ServiceObject, address: Address) -> str:
    """The fingerprint of what a list shows, so that a list suffices to see that nothing has changed."""
    own: dict[str, Any] = {"mark": str(obj.mark(address)), "published": obj.published}
    if obj.metadata.protected and not address.region:
        own["protected"] = True
    if address.region:
        own["attributes"] = obj.regions[address.region]
    else:
        own |= {"security": obj.metadata.security, "computed": json.loads(obj.metadata.computed)}
        own["attributes"] = {name: value for name, value in obj.attributes.items() if name != "securityProfile"}
    return digest(canonical_json(own))
