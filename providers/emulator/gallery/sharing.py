"""`POST galleries/{gallery}/share`: the groups that a gallery is shared with.

Source: the Compute Gallery REST specification, GallerySharingProfile_Update; Azure's documentation of direct sharing.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.providers.emulator.core.arm import ArmAnswer, ArmError, ArmRequest, Body
from reconciler.providers.emulator.core.async_operations import accepted
from reconciler.providers.emulator.core.body_fields import Fields
from reconciler.providers.emulator.core.json_schema import TEXT, list_of, object_of, one_of
from reconciler.providers.emulator.core.resources import GALLERY, UPDATING, finish_container, not_busy, require
from reconciler.providers.emulator.core.service import Handlers, Route, Service
from reconciler.providers.emulator.core.store import AsyncOperation, Resource
from reconciler.providers.emulator.gallery.galleries import PATH, gallery_id

_OPERATIONS = ("Add", "Remove", "Reset", "EnableCommunity")
_MOST: Mapping[str, int] = {"Subscriptions": 30, "AADTenants": 5}


def _share(service: Service, request: ArmRequest) -> ArmAnswer:
    gallery = require(service, gallery_id(request))
    not_busy(service, gallery)
    fields = Fields.of(request.body, "sharingUpdate")
    action = fields.choice("operationType", _OPERATIONS, required=True)
    groups = _groups(fields)
    permissions = gallery.properties.get("sharingProfile", {}).get("permissions", "Private")
    needed = {"Add": "Groups", "Remove": "Groups", "EnableCommunity": "Community"}.get(str(action))
    if needed and permissions != needed:
        raise ArmError(
            409,
            "OperationNotAllowed",
            f"The operation '{action}' needs a gallery with permissions {needed}; '{gallery.name}' is {permissions}.",
            "sharingUpdate.operationType",
        )
    planned = _planned(gallery.hidden["groups"], str(action), groups)
    for group_type, ids in planned.items():
        most = _MOST[group_type]
        if len(ids) > most:
            raise fields.refuse("groups", f"A gallery can be shared with {most} {group_type}; these are {len(ids)}.")
    operation = service.start(request, gallery, "share", service.durations.share, action=action, groups=planned)
    gallery.properties["sharingStatus"] = _status(gallery, "InProgress")
    gallery.properties["provisioningState"] = UPDATING
    service.store.put(gallery)
    return accepted(service, request, gallery, operation, poll_s=2)


def _groups(fields: Fields) -> dict[str, list[str]]:
    """Type of group -> ids; entries of the same type are combined."""
    groups: dict[str, list[str]] = {}
    for entry in fields.objects("groups"):
        group_type = str(entry.choice("type", tuple(_MOST), required=True))
        groups[group_type] = groups.get(group_type, []) + entry.texts("ids")
    return groups


def _planned(before: Mapping[str, list[str]], action: str, groups: Mapping[str, list[str]]) -> dict[str, list[str]]:
    if action in ("Reset", "EnableCommunity"):
        return {}
    planned = {group_type: list(ids) for group_type, ids in before.items()}
    for group_type, ids in groups.items():
        folded = set(map(str.lower, ids))
        rest = [group for group in planned.get(group_type, []) if group.lower() not in folded]
        planned[group_type] = rest if action == "Remove" else rest + list(dict.fromkeys(ids))
    return planned


def _status(gallery: Resource, state: str) -> Body:
    region = gallery.body["location"]
    return {"aggregatedState": state, "summary": [{"region": region, "state": state, "details": ""}]}


def _finish(service: Service, operation: AsyncOperation, gallery: Resource) -> None:
    """Ends an operation on a gallery, whether it is about sharing or not."""
    if operation.verb == "share":
        _apply(operation, gallery)
        gallery.properties["sharingStatus"] = _status(gallery, "Succeeded")
    finish_container(service, operation, gallery)


def _apply(operation: AsyncOperation, gallery: Resource) -> None:
    profile = gallery.properties.get("sharingProfile", {})
    match operation.more["action"]:
        case "Reset":
            gallery.properties["sharingProfile"] = {"permissions": "Private"}
            gallery.hidden["groups"] = {}
        case "EnableCommunity":
            profile["communityGalleryInfo"]["communityGalleryEnabled"] = True
        case _:
            gallery.hidden["groups"] = operation.more["groups"]


_BODY = object_of(
    "operationType",
    operationType=one_of(*_OPERATIONS),
    groups=list_of(object_of(type=one_of(*_MOST), ids=list_of(TEXT))),
)

HANDLERS = Handlers(
    (Route("POST", f"{PATH}/share", _share, "share gallery", budget="CreateUpdateGallery", body=_BODY),),
    {GALLERY: _finish},
)
