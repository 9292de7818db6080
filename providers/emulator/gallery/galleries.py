"""`Microsoft.Compute/galleries`.

Source: the Compute Gallery REST specification; recordings of the Azure CLI's gallery tests.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from reconciler.providers.emulator.core.arm import (
    GROUP_COMPUTE,
    SUBSCRIPTION_COMPUTE,
    ArmAnswer,
    ArmError,
    ArmRequest,
    Body,
)
from reconciler.providers.emulator.core.async_operations import written
from reconciler.providers.emulator.core.body_fields import Fields, without_nones
from reconciler.providers.emulator.core.locations import Location
from reconciler.providers.emulator.core.resources import (
    CREATING,
    DEFINITION,
    GALLERY,
    SOFT_DELETED,
    UPDATING,
    ResourceType,
    begin_delete,
    changed,
    check_name,
    check_quota,
    listing,
    location_of,
    not_busy,
    refuse_parent_delete,
    require,
    resource_id,
)
from reconciler.providers.emulator.core.service import Handlers, Route, Service
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.core.subscriptions import require_group
from reconciler.providers.emulator.gallery import request_schemas

RESOURCE_TYPE = ResourceType(
    GALLERY,
    "gallery",
    re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._]{0,78}[A-Za-z0-9])?"),
    "letters, digits, '.' and '_', 1 to 80 of them, beginning and ending with a letter or digit.",
)
PATH = f"{GROUP_COMPUTE}/galleries/{{gallery}}"
MOST_IN_REGION = 100
DEFAULT_RETENTION_DAYS = 7
_LEAST_DAYS = {"retentionPeriodInDays": 1, "gracePeriodInDays": 0}
PERMISSIONS = ("Private", "Groups", "Community")
PUBLISHER = ("publisherUri", "publisherContact", "eula", "publicNamePrefix")
_PREFIX = re.compile(r"[A-Za-z0-9]{5,16}")
_IDENTITY_TYPES = ("None", "SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned")


def gallery_id(request: ArmRequest) -> str:
    return resource_id(request, "galleries", request.params["gallery"])


def _put(service: Service, request: ArmRequest) -> ArmAnswer:
    require_group(service, request)
    identity = gallery_id(request)
    existing = service.store.get(identity)
    check_name(RESOURCE_TYPE, request.params["gallery"])
    fields = Fields.of(request.body, "gallery")
    location = location_of(fields, existing)
    if existing is None:
        _check_unique(service, request.params["gallery"])
        check_quota(service, GALLERY, location, MOST_IN_REGION, "galleries")
        gallery = _new(service, identity, request, location)
    else:
        not_busy(service, existing)
        gallery = existing
    _write(service, request, gallery, fields, replace=True, new=existing is None)
    return _begin(service, request, gallery, new=existing is None)


def _patch(service: Service, request: ArmRequest) -> ArmAnswer:
    gallery = require(service, gallery_id(request))
    not_busy(service, gallery)
    _write(service, request, gallery, Fields.of(request.body, "gallery"), replace=False, new=False)
    return _begin(service, request, gallery, new=False)


def _begin(service: Service, request: ArmRequest, gallery: Resource, *, new: bool) -> ArmAnswer:
    gallery.properties["provisioningState"] = CREATING if new else UPDATING
    service.store.put(gallery)
    verb = "create" if new else "update"
    operation = service.start(request, gallery, verb, service.durations.gallery_write)
    return written(service, request, _shown(gallery), operation, new=new, poll_s=2)


def _check_unique(service: Service, name: str) -> None:
    if any(other.name.lower() == name.lower() for other in service.store.of_type(GALLERY)):
        raise ArmError(
            409, "GalleryNameNotUnique", f"A gallery named '{name}' already exists in the subscription.", "name"
        )


def _new(service: Service, identity: str, request: ArmRequest, location: Location) -> Resource:
    name = request.params["gallery"]
    unique = f"{service.subscription}-{name.upper()}"
    body: Body = {"properties": {"identifier": {"uniqueName": unique}}, "location": location.name}
    body |= {"id": identity, "name": name, "type": "Microsoft.Compute/galleries"}
    parent = identity.rsplit("/", 4)[0]
    return Resource(identity, GALLERY, parent, body, {"region": location.name, "groups": {}})


def _write(
    service: Service, request: ArmRequest, gallery: Resource, fields: Fields, *, replace: bool, new: bool
) -> None:
    """Applies a request. A PUT replaces everything that can be changed, a PATCH only what it names."""
    properties = fields.object("properties")
    tags = fields.tags()
    if tags is not None or replace:
        _set(gallery.body, "tags", tags)
    if properties.has("description") or replace:
        _set(gallery.properties, "description", properties.text("description"))
    if fields.has("identity") or replace:
        _set(gallery.body, "identity", _identity(service, fields, gallery))
    if properties.has("sharingProfile"):
        _sharing(gallery, properties.object("sharingProfile"), new=new)
    if request.api_version >= "2024-03-03" and (properties.has("softDeletePolicy") or replace):
        policy = _soft_delete(request, properties.object("softDeletePolicy"), gallery)
        _set(gallery.properties, "softDeletePolicy", policy)


def _set(members: Body, name: str, value: Any) -> None:
    members.pop(name, None)
    if value is not None:
        members[name] = value


def _identity(service: Service, fields: Fields, gallery: Resource) -> Body | None:
    identity = fields.object("identity")
    identity_type = identity.choice("type", _IDENTITY_TYPES, required=fields.has("identity"))
    if identity_type in (None, "None"):
        return None
    before = gallery.body.get("identity", {})
    body: Body = {"type": identity_type}
    if identity_type.startswith("SystemAssigned"):
        body |= {"principalId": before.get("principalId", str(uuid.uuid4())), "tenantId": service.tenant}
    if identity_type.endswith("UserAssigned"):
        named = identity.object("userAssignedIdentities").values
        kept = before.get("userAssignedIdentities", {}) | dict(named)
        body["userAssignedIdentities"] = {name: {} for name, value in kept.items() if value is not None}
    return body


def _sharing(gallery: Resource, sharing: Fields, *, new: bool) -> None:
    before = gallery.properties.get("sharingProfile", {})
    permissions = sharing.choice("permissions", PERMISSIONS) or before.get("permissions", "Private")
    was = before.get("permissions", "Private")
    if not new and was != permissions and "Community" in (was, permissions):
        raise changed(sharing.path("permissions"), was, permissions)
    profile: Body = {"permissions": permissions}
    if permissions == "Community":
        profile["communityGalleryInfo"] = _publisher(sharing, before.get("communityGalleryInfo"))
    elif sharing.has("communityGalleryInfo"):
        raise sharing.refuse("communityGalleryInfo", "Community gallery info needs permissions Community.")
    gallery.properties["sharingProfile"] = profile


def _publisher(sharing: Fields, before: Body | None) -> Body:
    info = sharing.object("communityGalleryInfo")
    if before is not None:
        for name in PUBLISHER:
            if info.has(name) and info.get(name) != before[name]:
                raise changed(info.path(name), before[name], info.get(name))
        return before
    publisher: Body = {name: info.text(name, required=True) for name in PUBLISHER}
    prefix = publisher["publicNamePrefix"]
    if not _PREFIX.fullmatch(prefix):
        raise info.refuse("publicNamePrefix", f"The prefix '{prefix}' is not 5 to 16 letters and digits.")
    return publisher | {"communityGalleryEnabled": False, "publicNames": [f"{prefix}-{uuid.uuid4()}"]}


def _soft_delete(request: ArmRequest, policy: Fields, gallery: Resource) -> Body | None:
    """Source: the days can be set since api-version 2026-03-03; before that they are 7."""
    if not policy.values:
        return None
    given: Body = {"isSoftDeleteEnabled": policy.flag("isSoftDeleteEnabled")}
    if request.api_version >= "2026-03-03":
        given |= {name: policy.whole(name, least) for name, least in _LEAST_DAYS.items()}
    before = gallery.properties.get("softDeletePolicy", {"isSoftDeleteEnabled": False})
    return {**before, **without_nones(**given)}


def _shown(gallery: Resource, *, groups: bool = False) -> Resource:
    """The gallery as a GET shows it; the groups that it is shared with only on request."""
    body = dict(gallery.body, properties=dict(gallery.properties))
    shared = [{"type": kind, "ids": ids} for kind, ids in sorted(gallery.hidden["groups"].items()) if ids]
    if groups and shared:
        body["properties"]["sharingProfile"] = dict(body["properties"]["sharingProfile"], groups=shared)
    return Resource(gallery.id, gallery.type, gallery.parent, body, gallery.hidden)


def _get(service: Service, request: ArmRequest) -> ArmAnswer:
    select, expand = request.query.get("$select"), request.query.get("$expand")
    for name, value, allowed in (("$select", select, "Permissions"), ("$expand", expand, "SharingProfile/Groups")):
        if value is not None and value.lower() != allowed.lower():
            raise ArmError(400, "InvalidParameter", f"The value '{value}' of {name} is not {allowed}.", name)
    gallery = require(service, gallery_id(request))
    return ArmAnswer(200, _shown(gallery, groups=bool(select or expand)).body)


def _in_list(gallery: Resource) -> Body:
    """The gallery as lists show it: with its resource group in capitals."""
    parts = gallery.id.split("/")
    parts[4] = parts[4].upper()
    return dict(_shown(gallery).body, id="/".join(parts))


def _list_in_group(service: Service, request: ArmRequest) -> ArmAnswer:
    group = require_group(service, request)
    return listing(service, request, service.store.inside(group.id, GALLERY), _in_list)


def _list(service: Service, request: ArmRequest) -> ArmAnswer:
    return listing(service, request, service.store.of_type(GALLERY), _in_list)


def _delete(service: Service, request: ArmRequest) -> ArmAnswer:
    require_group(service, request)
    gallery = service.store.get(gallery_id(request))
    if gallery is None:
        return ArmAnswer(204)
    inside = [child.id for child in service.store.inside(gallery.id, DEFINITION)]
    inside += [artifact.id for artifact in service.store.of_type(SOFT_DELETED, f"{gallery.id}/")]
    refuse_parent_delete(service, request, gallery, inside)
    info = gallery.properties.get("sharingProfile", {}).get("communityGalleryInfo", {})
    if info.get("communityGalleryEnabled"):
        raise ArmError(
            409, "CannotDeleteResource", "The gallery is shared with the community: reset its sharing profile first."
        )
    return begin_delete(service, request, gallery, service.durations.container_delete, poll_s=2)


HANDLERS = Handlers(
    (
        Route("PUT", PATH, _put, "write gallery", budget="CreateUpdateGallery", body=request_schemas.GALLERY),
        Route("PATCH", PATH, _patch, "patch gallery", budget="CreateUpdateGallery", body=request_schemas.GALLERY),
        Route("GET", PATH, _get, "read gallery", budget="GetGallery", query=("$select", "$expand")),
        Route("DELETE", PATH, _delete, "delete gallery", budget="DeleteGallery"),
        Route(
            "GET", f"{GROUP_COMPUTE}/galleries", _list_in_group, "list galleries", budget="ListGalleryInResourceGroup"
        ),
        Route("GET", f"{SUBSCRIPTION_COMPUTE}/galleries", _list, "list galleries of subscription"),
    ),
)
