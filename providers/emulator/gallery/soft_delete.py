"""Soft delete: deleted versions are kept for a while, listed, restored or purged.

Source: Azure's documentation of soft delete; recordings of the Azure CLI's tests: `consumptionEndTime` is the time of
deletion plus the retention period, `hardDeletionTargetTime` that plus the grace period.
"""

from __future__ import annotations

import uuid

from reconciler.providers.emulator.core.arm import ArmAnswer, ArmError, ArmRequest, Body, page
from reconciler.providers.emulator.core.resources import SOFT_DELETED, SUCCEEDED, VERSION, require, resource_id
from reconciler.providers.emulator.core.service import Handlers, Route, Service
from reconciler.providers.emulator.core.store import AsyncOperation, Resource
from reconciler.providers.emulator.gallery.galleries import DEFAULT_RETENTION_DAYS
from reconciler.providers.emulator.gallery.galleries import PATH as GALLERY_PATH

_DAY_S = 86_400.0
_PATH = f"{GALLERY_PATH}/softDeletedArtifactTypes/{{kind}}/artifacts/{{definition}}/versions"


def artifact_id(version_id: str) -> str:
    """The id of a version after its soft deletion."""
    definition_id, _, version = version_id.rpartition("/versions/")
    gallery, _, definition = definition_id.rpartition("/images/")
    return f"{gallery}/softDeletedArtifactTypes/Images/artifacts/{definition}/versions/{version}"


def soft_delete_policy(service: Service, version: Resource) -> Body | None:
    """The policy of a version's gallery; None when deletions are final."""
    gallery = require(service, version.parent.rpartition("/images/")[0])
    policy: Body = gallery.properties.get("softDeletePolicy", {})
    return policy if policy.get("isSoftDeleteEnabled") else None


def keep_artifact(service: Service, version: Resource, deleted: float) -> None:
    """Keeps a version that was deleted at a given time as a soft-deleted artifact, until it expires."""
    policy = soft_delete_policy(service, version) or {}
    usable_until = deleted + _DAY_S * policy.get("retentionPeriodInDays", DEFAULT_RETENTION_DAYS)
    kept_until = usable_until + _DAY_S * policy.get("gracePeriodInDays", 0)
    identity = artifact_id(version.id)
    properties: Body = {"resourceArmId": version.id, "softDeletedArtifactType": "Images"}
    properties |= {"softDeletedTime": service.stamp(deleted)}
    properties |= {
        "consumptionEndTime": service.stamp(usable_until),
        "hardDeletionTargetTime": service.stamp(kept_until),
    }
    body: Body = {"id": identity, "name": version.name, "location": version.body["location"]}
    body |= {
        "type": "Microsoft.Compute/galleries/softDeletedArtifactTypes/artifacts/versions",
        "properties": properties,
    }
    if "tags" in version.body:
        body["tags"] = version.body["tags"]
    hidden = {**version.hidden, "was": version.body}
    kept = Resource(identity, SOFT_DELETED, identity.rsplit("/versions/", 1)[0], body, hidden)
    service.store.put(kept)
    service.store.put_operation(AsyncOperation(str(uuid.uuid4()), kept.key, "expire", deleted, kept_until))


def restore(service: Service, deleted: Resource) -> Resource:
    """The deleted version with everything that it had, no longer among the artifacts."""
    for operation in service.store.running_operations(deleted.key):
        operation.done = True
        service.store.put_operation(operation)
    service.store.remove(deleted.id)
    hidden = dict(deleted.hidden)
    body = hidden.pop("was")
    body["properties"]["provisioningState"] = SUCCEEDED
    return Resource(body["id"], VERSION, body["id"].rsplit("/versions/", 1)[0], body, hidden)


def _list(service: Service, request: ArmRequest) -> ArmAnswer:
    if request.params["kind"].lower() != "images":
        raise ArmError(400, "InvalidParameter", "Only artifacts of type Images can be soft-deleted.", "artifactType")
    gallery = require(service, resource_id(request, "galleries", request.params["gallery"]))
    start = f"{gallery.id}/softDeletedArtifactTypes/Images/artifacts/{request.params['definition']}/versions/"
    shown = [_shown(request, artifact) for artifact in service.store.of_type(SOFT_DELETED, start)]
    return ArmAnswer(200, page(request, shown, service.page_size))


def _shown(request: ArmRequest, artifact: Resource) -> Body:
    if request.api_version >= "2026-03-03":
        return artifact.body
    hidden = ("consumptionEndTime", "hardDeletionTargetTime")
    properties = {name: value for name, value in artifact.properties.items() if name not in hidden}
    return dict(artifact.body, properties=properties)


HANDLERS = Handlers(
    (Route("GET", _PATH, _list, "list soft-deleted versions"),),
)
