"""What the service shows, as the engine compares it: bodies become `Observed`, with condition and fingerprint. Pure."""

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
from reconciler.providers.azure.service import spelling
from reconciler.providers.azure.service.marks import Marks, from_tags
from reconciler.providers.common.ownership import owner_phrase
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.protocol import Applied, Condition, Observed, OwnerMark

Json = Mapping[str, Any]

_IN_FLIGHT = frozenset({"creating", "updating", "deleting", "migrating"})
COMPLETED, FAILED = "completed", "failed"


@dataclass(frozen=True, slots=True)
class Replication:
    """How the copies in one region are: the service's state in lower case, its progress in percent, its words."""

    state: str
    percent: int
    details: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One gallery, definition or version as the service showed it. `regions` are a version's, ours or not;
    `replication` is None when it was not asked for."""

    kind: Kind
    body: Json
    marks: Marks
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
        """Whose the object is; a target region is only ours when the marks name it."""
        owner = self.marks.owner
        if owner is None or not address.region:
            return owner
        if address.region not in self.marks.regions:
            return None
        return OwnerMark(owner.lineage, owner.address._replace(region=address.region))

    def is_ours(self, lineage: str, address: Address) -> bool:
        return self.mark(address) == OwnerMark(lineage, address)

    def completed(self, region: str) -> bool:
        """Whether a region has its copies, as far as was asked."""
        if self.replication is None:
            return self.state == "succeeded"
        found = self.replication.get(region)
        return found is not None and found.state == COMPLETED

    def failed(self, region: str) -> bool:
        found = (self.replication or {}).get(region)
        return found is not None and found.state == FAILED

    @property
    def any_completed(self) -> bool:
        return any(map(self.completed, self.regions))


def seen(kind: Kind, body: Json) -> Seen:
    """Reads a body of the service."""
    tags = body.get("tags")
    marks, _ = from_tags(tags if isinstance(tags, Mapping) else {})
    regions: Mapping[str, Attributes] = {}
    match kind:
        case Kind.GALLERY:
            attributes = gallery_attributes(body, marks)
        case Kind.IMAGE_DEFINITION:
            attributes = definition_attributes(body, marks)
        case _:
            attributes = version_attributes(body, marks)
            regions = region_attributes(body, marks)
    return Seen(kind, body, marks, attributes, regions, _replication(body))


def _replication(body: Json) -> Mapping[str, Replication] | None:
    status = body.get("properties", {}).get("replicationStatus")
    if not isinstance(status, Mapping):
        return None
    return {
        spelling.region(entry.get("region")): Replication(
            str(entry.get("state", "")).lower(), int(entry.get("progress") or 0), str(entry.get("details") or "")
        )
        for entry in status.get("summary") or ()
    }


def with_security(found: Seen, body: Json) -> Seen:
    """The same version with its firmware settings, which `body` was asked for."""
    security = body.get("properties", {}).get("securityProfile")
    properties = {**found.body.get("properties", {}), "securityProfile": security}
    return replace(seen(found.kind, {**found.body, "properties": properties}), replication=found.replication)


def observed(found: Seen, address: Address, *, recorded: bool = False) -> Observed | None:
    """The object, or target region, at `address`; None when the version is not in that region.

    `recorded`: somebody counts on it already, so that what is not whole is damage.
    """
    region = address.region
    if region and region not in found.regions:
        return None
    condition, defects = _region_condition(found, region, recorded) if region else _condition(found)
    return Observed(
        address=address,
        object_id=f"{found.id}@{region}" if region else found.id,
        mark=found.mark(address),
        fingerprint=_fingerprint(found, address),
        canonical=canonical_json(found.regions[region] if region else found.attributes),
        condition=condition,
        defects=defects,
        computed=found.marks.computed,
    )


def conflict(found: Seen, unit: Address) -> ObjectConflict:
    """What stands where `unit` should be is not ours."""
    said = f"{unit} exists and {owner_phrase(found.marks.owner)} ({found.id})"
    return ObjectConflict(said, "rename it, or remove it if nobody needs it")


def applied(found: Seen, address: Address) -> Applied:
    """How an object is after a step that went well."""
    look = observed(found, address)
    if look is None:
        raise ValueError(f"{address} is not there after it was made. This is a bug.")
    return Applied(look.object_id, look.fingerprint, look.canonical, look.computed)


def _condition(found: Seen) -> tuple[Condition, tuple[str, ...]]:
    if found.in_flight:
        return Condition.BUSY, (f"the service is at it: {found.state}",)
    if found.kind is Kind.IMAGE_VERSION:
        if found.state == FAILED and found.replication is not None and not found.any_completed:
            return Condition.INCOMPLETE, ("no region has its copies",)
    elif found.state == FAILED:
        return Condition.INCOMPLETE, ("the service failed to make it",)
    return Condition.READY, ()


def _region_condition(found: Seen, region: str, recorded: bool) -> tuple[Condition, tuple[str, ...]]:
    if found.completed(region):
        return Condition.READY, ()
    if found.failed(region):
        details = (found.replication or {})[region].details or "no details"
        return (Condition.DAMAGED if recorded else Condition.INCOMPLETE), (f"replication failed: {details}",)
    if found.in_flight or found.replication is not None:
        return Condition.BUSY, ("the service is copying to it",)
    return Condition.READY, ()


def _fingerprint(found: Seen, address: Address) -> str:
    """Of what a listing shows, so that a listing is enough to tell that nothing changed."""
    own: dict[str, Any] = {"mark": str(found.mark(address)), "published": found.published}
    if address.region:
        own["attributes"] = found.regions[address.region]
    else:
        own |= {"security": found.marks.security, "computed": json.loads(found.marks.computed)}
        own["attributes"] = {name: value for name, value in found.attributes.items() if name != "securityProfile"}
    return digest(canonical_json(own))
