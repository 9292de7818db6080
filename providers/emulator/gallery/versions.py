"""`Microsoft.Compute/galleries/images/versions`: image versions.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from reconciler.providers.emulator.content.content_users import drop_content
from reconciler.providers.emulator.core.arm import ArmAnswer, ArmError, ArmRequest, Body
from reconciler.providers.emulator.core.async_operations import written
from reconciler.providers.emulator.core.body_fields import Fields
from reconciler.providers.emulator.core.locations import LOCATIONS, Location, find
from reconciler.providers.emulator.core.resources import (
    CREATING,
    DELETING,
    FAILED,
    SOFT_DELETED,
    SUCCEEDED,
    UPDATING,
    VERSION,
    ResourceType,
    begin_delete,
    changed,
    check_name,
    check_quota,
    child_gone,
    listing,
    location_of,
    not_busy,
    parent_of,
    require,
)
from reconciler.providers.emulator.core.service import Handlers, Route, Service
from reconciler.providers.emulator.core.store import AsyncOperation, Resource
from reconciler.providers.emulator.core.subscriptions import require_group
from reconciler.providers.emulator.gallery import request_schemas
from reconciler.providers.emulator.gallery.concurrent_edits import edited_before
from reconciler.providers.emulator.gallery.definitions import PATH as DEFINITION_PATH
from reconciler.providers.emulator.gallery.definitions import definition_id
from reconciler.providers.emulator.gallery.publishing_profile import publishing_profile, region_of
from reconciler.providers.emulator.gallery.replication import (
    failed_regions,
    failure,
    hold,
    plan_copies,
    release,
    replication_status,
)
from reconciler.providers.emulator.gallery.soft_delete import artifact_id, keep_artifact, restore, soft_delete_policy
from reconciler.providers.emulator.gallery.storage_profile import copy_ahead, shown_storage, write_storage
from reconciler.providers.emulator.gallery.version_protection import (
    check_end_of_life,
    check_removed,
    check_sharing,
    safety_profile,
    write_security,
)

_NUMBER = re.compile(r"\d{1,10}\.\d{1,10}\.\d{1,10}", re.ASCII)
RESOURCE_TYPE = ResourceType(VERSION, "galleryImageVersion", _NUMBER, "it must be Major.Minor.Patch.")
PATH = f"{DEFINITION_PATH}/versions/{{version}}"
MOST_IN_REGION = 10_000
_POLL_S = 60
_EXPANDS = ("ReplicationStatus", "UefiSettings")


def version_id(request: ArmRequest) -> str:
    return f"{definition_id(request)}/versions/{request.params['version']}"


def _put(service: Service, request: ArmRequest) -> ArmAnswer:
    require_group(service, request)
    identity = version_id(request)
    definition = parent_of(service, request, identity)
    _check_number(request.params["version"])
    fields = Fields.of(request.body, "galleryImageVersion")
    existing = service.store.get(identity)
    deleted = None if existing else service.store.get(artifact_id(identity))
    if deleted is not None:
        return _restore(service, request, deleted, fields)
    location = location_of(fields, existing)
    if existing is None:
        version = _new(service, identity, request, definition, location)
    else:
        not_busy(service, existing)
        version = existing
    return _write(service, request, version, definition, fields, replace=True, new=existing is None)


def _patch(service: Service, request: ArmRequest) -> ArmAnswer:
    version = require(service, version_id(request))
    not_busy(service, version)
    definition = require(service, version.parent)
    fields = Fields.of(request.body, "galleryImageVersion")
    return _write(service, request, version, definition, fields, replace=False, new=False)


def _check_number(name: str) -> None:
    check_name(RESOURCE_TYPE, name)
    if any(int(part) > 2**31 - 1 for part in name.split(".")):
        raise ArmError(400, "InvalidParameter", f"Each part of the version '{name}' must fit into 32 bits.", "name")


def _new(service: Service, identity: str, request: ArmRequest, definition: Resource, location: Location) -> Resource:
    check_quota(service, VERSION, location, MOST_IN_REGION, "image versions")
    body: Body = {"properties": {}, "location": location.name, "id": identity}
    body |= {"name": request.params["version"], "type": "Microsoft.Compute/galleries/images/versions"}
    return Resource(identity, VERSION, definition.id, body, {"region": location.name, "regions": {}})


@contextlib.contextmanager
def _ahead_of_put(service: Service, request: ArmRequest) -> Iterator[None]:
    with edited_before(service, request), copy_ahead(service, request):
        yield


def _write(
    service: Service,
    request: ArmRequest,
    version: Resource,
    definition: Resource,
    fields: Fields,
    *,
    replace: bool,
    new: bool,
) -> ArmAnswer:
    properties, stored = fields.object("properties"), version.properties
    home = LOCATIONS[version.hidden["region"]]
    before = {region_of(entry): entry for entry in stored.get("publishingProfile", {}).get("targetRegions", ())}
    tags = fields.tags()
    if tags is not None or replace:
        version.body.pop("tags", None)
        if tags is not None:
            version.body["tags"] = tags
    profile = publishing_profile(
        service,
        request,
        properties.object("publishingProfile"),
        home,
        stored.get("publishingProfile"),
        replace=replace,
    )
    check_removed(version, properties, before, profile)
    stored["publishingProfile"] = profile
    check_sharing(service, definition, version, properties)
    shallow = profile.get("replicationMode") == "Shallow"
    write_storage(service, version, definition, properties, new=new, shallow=shallow)
    stored["safetyProfile"] = safety_profile(request, properties.object("safetyProfile"), stored.get("safetyProfile"))
    if not stored["safetyProfile"]:
        del stored["safetyProfile"]
    write_security(properties, stored, new=new)
    copies, seconds = plan_copies(service, request, version, before, shallow=shallow)
    return _begin(service, request, version, copies, seconds, new=new)


def _begin(
    service: Service, request: ArmRequest, version: Resource, copies: dict[str, Body], seconds: float, *, new: bool
) -> ArmAnswer:
    delay = service.durations.version_delay
    operation = service.start(request, version, "create" if new else "update", seconds + delay)
    if operation.due is None:
        hold(copies, version.hidden["regions"])
    version.hidden["regions"] = copies
    version.properties["provisioningState"] = CREATING if new else UPDATING
    version.properties.pop("validationsProfile", None)
    service.store.put(version)
    return written(service, request, _shown(version), operation, new=new, poll_s=_POLL_S)


def _shown(version: Resource, *, expand: str = "", status: Body | None = None) -> Resource:
    """The version as a GET shows it; replication and firmware settings only on request."""
    properties = dict(version.properties)
    if expand != "uefisettings":
        properties.pop("securityProfile", None)
    if status is not None:
        properties["replicationStatus"] = status
    return Resource(version.id, version.type, version.parent, dict(version.body, properties=properties), version.hidden)


def _get(service: Service, request: ArmRequest) -> ArmAnswer:
    wanted = request.query.get("$expand", "")
    if wanted and wanted.lower() not in map(str.lower, _EXPANDS):
        raise ArmError(400, "InvalidParameter", f"The value '{wanted}' of $expand is not {' or '.join(_EXPANDS)}.")
    version = require(service, version_id(request))
    status = replication_status(service, version) if wanted.lower() == "replicationstatus" else None
    return ArmAnswer(200, _shown(version, expand=wanted.lower(), status=status).body)


def _list(service: Service, request: ArmRequest) -> ArmAnswer:
    definition = require(service, definition_id(request))
    versions = service.store.inside(definition.id, VERSION)
    return listing(service, request, versions, lambda version: _shown(version).body)


def _delete(service: Service, request: ArmRequest) -> ArmAnswer:
    require_group(service, request)
    identity = version_id(request)
    bypass = request.api_version >= "2026-03-03" and request.query.get("bypasssoftdelete", "").lower() == "true"
    version = service.store.get(identity)
    if version is None:
        deleted = service.store.get(artifact_id(identity))
        if deleted is None or not bypass:
            return ArmAnswer(204)
        return begin_delete(service, request, deleted, service.durations.version_delete, poll_s=_POLL_S)
    check_end_of_life(service, version)
    version.hidden["bypass"] = bypass
    return begin_delete(service, request, version, service.durations.version_delete, poll_s=_POLL_S)


def _restore(service: Service, request: ArmRequest, deleted: Resource, fields: Fields) -> ArmAnswer:
    """A PUT of a soft-deleted version restores it if it asks for that, or has no source. Raises: ArmError."""
    properties = fields.object("properties")
    new_source = properties.has("storageProfile") and not properties.flag("restore")
    if deleted.properties.get("provisioningState") == DELETING or new_source:
        raise ArmError(
            409,
            "Conflict",
            f"An image version '{deleted.name}' was soft-deleted: restore it with properties.restore, or delete it "
            "with bypassSoftDelete=true.",
            "galleryImageVersion.name",
        )
    location = find(str(fields.text("location", required=True)))
    if location is None or location.name != deleted.hidden["region"]:
        raise changed("galleryImageVersion.location", deleted.hidden["region"], fields.get("location"))
    version = restore(service, deleted)
    tags = fields.tags()
    if tags is not None:
        version.body["tags"] = tags
    return _begin(service, request, version, version.hidden["regions"], 0.0, new=False)


def _finish(service: Service, operation: AsyncOperation, version: Resource) -> None:
    """Ends an operation on a version."""
    if operation.verb == "delete":
        service.store.remove(version.id)
        if soft_delete_policy(service, version) and not version.hidden.get("bypass"):
            keep_artifact(service, version, operation.end)
        else:
            drop_content(service, version)
        child_gone(service, version, operation.end)
        return
    release(version.hidden["regions"], operation)
    failed = failed_regions(version)
    if failed:
        operation.error = failure(version)
    version.properties["storageProfile"] = shown_storage(version, ready=True)
    version.properties["provisioningState"] = FAILED if failed else SUCCEEDED
    version.properties["validationsProfile"] = {
        "executedValidations": [{"type": "TrustedLaunchValidation", "status": "NotExecuted"}]
    }
    service.store.put(version)


def _finish_deleted(service: Service, _operation: AsyncOperation, deleted: Resource) -> None:
    """Ends a soft-deleted version, which was purged or has expired."""
    service.store.remove(deleted.id)
    drop_content(service, deleted)


HANDLERS = Handlers(
    (
        Route(
            "PUT",
            PATH,
            _put,
            "write version",
            budget="CreateUpdateGalleryImageVersion",
            body=request_schemas.VERSION,
            ahead=_ahead_of_put,
        ),
        Route(
            "PATCH",
            PATH,
            _patch,
            "patch version",
            budget="CreateUpdateGalleryImageVersion",
            body=request_schemas.VERSION,
            ahead=edited_before,
        ),
        Route("GET", PATH, _get, "read version", budget="GetGalleryImageVersion", query=("$expand",)),
        Route(
            "DELETE", PATH, _delete, "delete version", budget="DeleteGalleryImageVersion", query=("bypasssoftdelete",)
        ),
        Route("GET", f"{DEFINITION_PATH}/versions", _list, "list versions", budget="ListGalleryImageVersionsInGallery"),
    ),
    {VERSION: _finish, SOFT_DELETED: _finish_deleted},
)
