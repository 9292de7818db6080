"""`POST galleries/{gallery}/share`: who a gallery is shared with.

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
    for kind, ids in planned.items():
        if len(ids) > _MOST[kind]:
            raise fields.refuse("groups", f"A gallery can be shared with {_MOST[kind]} {kind}; these are {len(ids)}.")
    operation = service.start(request, gallery, "share", service.durations.share, action=action, groups=planned)
    gallery.properties["sharingStatus"] = _status(gallery, "InProgress")
    gallery.properties["provisioningState"] = UPDATING
    service.store.put(gallery)
    return accepted(service, request, gallery, operation, poll_s=2)


def _groups(fields: Fields) -> dict[str, list[str]]:
    """The ids of each type, also when a type is there more than once."""
    found: dict[str, list[str]] = {}
    for entry in fields.objects("groups"):
        kind = str(entry.choice("type", tuple(_MOST), required=True))
        found[kind] = found.get(kind, []) + entry.texts("ids")
    return found


def _planned(before: Mapping[str, list[str]], action: str, groups: Mapping[str, list[str]]) -> dict[str, list[str]]:
    if action in ("Reset", "EnableCommunity"):
        return {}
    planned = {kind: list(ids) for kind, ids in before.items()}
    for kind, ids in groups.items():
        folded = {one.lower() for one in ids}
        rest = [one for one in planned.get(kind, []) if one.lower() not in folded]
        planned[kind] = rest if action == "Remove" else rest + list(dict.fromkeys(ids))
    return planned


def _status(gallery: Resource, state: str) -> Body:
    region = gallery.body["location"]
    return {"aggregatedState": state, "summary": [{"region": region, "state": state, "details": ""}]}


def _finish(service: Service, operation: AsyncOperation, gallery: Resource) -> None:
    """The end of any operation on a gallery."""
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
