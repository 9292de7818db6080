"""Resource groups, and lists of the resources in them.

Source: the Resource Manager REST specification (resource groups, resources).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.providers.emulator.content.content_users import drop_content
from reconciler.providers.emulator.core.arm import GROUP_PATH, ArmAnswer, ArmError, ArmRequest, Body, page
from reconciler.providers.emulator.core.body_fields import Fields
from reconciler.providers.emulator.core.json_schema import TAGS, object_of, tracked_resource
from reconciler.providers.emulator.core.locations import Location, find
from reconciler.providers.emulator.core.service import Handlers, Route, Service
from reconciler.providers.emulator.core.store import AsyncOperation, Resource
from reconciler.providers.emulator.core.subscriptions import (
    DELETING,
    GROUP,
    SUBSCRIPTION_PATH,
    group_id,
    require_group,
    subscription_id,
)

_LETTER = r"[^\W\U00010000-\U0010ffff]"
_NAME = re.compile(rf"(?:{_LETTER}|[().-]){{0,89}}(?:{_LETTER}|[()-])")
_RESULT_PATH = f"{SUBSCRIPTION_PATH}/operationresults/{{operation}}"
_POLL_S = 15
_CLAUSE = re.compile(r"(\w+)\s+eq\s+'((?:[^']|'')*)'", re.ASCII)
_FILTER = re.compile(rf"\s*{_CLAUSE.pattern}(?:\s+and\s+{_CLAUSE.pattern})*\s*", re.ASCII)


def _put(service: Service, request: ArmRequest) -> ArmAnswer:
    name = request.params["rg"]
    if not _NAME.fullmatch(name):
        raise ArmError(
            400,
            "InvalidResourceGroup",
            f"The resource group name '{name}' is invalid: letters, digits, '.', '_', '-' and parentheses, 1 to 90 of "
            "them, not ending with a period.",
        )
    fields = Fields.of(request.body, "resourceGroup")
    existing = service.store.get(group_id(service, name))
    location = _location(fields, existing)
    tags = fields.tags()
    if existing is not None:
        require_group(service, request)
        _set_tags(existing, tags)
        service.store.put(existing)
        return ArmAnswer(200, existing.body)
    group = _new(service, name, location)
    _set_tags(group, tags)
    service.store.put(group)
    return ArmAnswer(201, group.body)


def _location(fields: Fields, existing: Resource | None) -> Location:
    name = fields.text("location")
    if not name:
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    location = find(name)
    if location is None:
        raise ArmError(
            400,
            "LocationNotAvailableForResourceGroup",
            f"The provided location '{name}' is not available for resource group.",
        )
    if existing is not None and existing.hidden["region"] != location.name:
        raise ArmError(
            409,
            "InvalidResourceGroupLocation",
            f"Invalid resource group location '{location.name}'. The resource group already exists in location "
            f"'{existing.hidden['region']}'.",
        )
    return location


def _new(service: Service, name: str, location: Location) -> Resource:
    identity = group_id(service, name)
    body: Body = {"id": identity, "name": name, "type": "Microsoft.Resources/resourceGroups"}
    body |= {"location": location.name, "properties": {"provisioningState": "Succeeded"}}
    return Resource(identity, GROUP, subscription_id(service), body, {"region": location.name})


def _set_tags(group: Resource, tags: Mapping[str, str] | None) -> None:
    group.body.pop("tags", None)
    if tags is not None:
        group.body["tags"] = dict(tags)


def _patch(service: Service, request: ArmRequest) -> ArmAnswer:
    group = require_group(service, request)
    tags = Fields.of(request.body, "resourceGroup").tags()
    if tags is not None:
        _set_tags(group, tags)
        service.store.put(group)
    return ArmAnswer(200, group.body)


def _get(service: Service, request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200, require_group(service, request).body)


def _head(service: Service, request: ArmRequest) -> ArmAnswer:
    require_group(service, request)
    return ArmAnswer(204)


def _delete(service: Service, request: ArmRequest) -> ArmAnswer:
    """Starts the deletion of a group; a second request returns the deletion that is running."""
    group = require_group(service, request)
    running = service.store.running_operations(group.key)
    if running:
        operation = running[0]
    else:
        group.properties["provisioningState"] = DELETING
        service.store.put(group)
        durations = service.durations
        filled = bool(service.store.below(group.id))
        seconds = durations.version_delete if filled else durations.container_delete
        operation = service.start(request, group, "delete", seconds)
    path = _RESULT_PATH.format(sub=service.subscription, operation=operation.id)
    return ArmAnswer(202, None, _poll_headers(service, request, path))


def _poll_headers(service: Service, request: ArmRequest, path: str) -> dict[str, str]:
    return {"Location": request.url(path), "Retry-After": str(service.durations.retry_after_s(_POLL_S))}


def _result(service: Service, request: ArmRequest) -> ArmAnswer:
    operation = service.store.operation(request.params["operation"])
    if operation is None:
        raise ArmError(404, "OperationNotFound", "The operation was not found, or it is too old.")
    if operation.done:
        return ArmAnswer(200)
    return ArmAnswer(202, None, _poll_headers(service, request, request.path))


def _finish(service: Service, operation: AsyncOperation, group: Resource) -> None:
    """Ends a deletion: removes the group with everything in it, and ends all operations on those resources."""
    inside = service.store.below(group.id)
    for resource in inside:
        for other in service.store.running_operations(resource.key):
            other.done, other.due = True, operation.end
            other.error = {"code": "OperationPreempted", "message": "The resource group was deleted."}
            service.store.put_operation(other)
        service.store.remove(resource.id)
    service.store.remove(group.id)
    drop_content(service, *inside)


def _list(service: Service, request: ArmRequest) -> ArmAnswer:
    wanted = _filter(request, "tagName", "tagValue")
    groups = service.store.inside(subscription_id(service), GROUP)
    shown = [group.body for group in groups if _tagged(group, wanted)]
    return ArmAnswer(200, page(request, shown, service.page_size))


def _list_resources(service: Service, request: ArmRequest) -> ArmAnswer:
    return _resources(service, request, subscription_id(service))


def _list_in_group(service: Service, request: ArmRequest) -> ArmAnswer:
    return _resources(service, request, require_group(service, request).id)


def _resources(service: Service, request: ArmRequest, below: str) -> ArmAnswer:
    wanted = _filter(request, "resourceType", "resourceGroup", "name", "location", "tagName", "tagValue")
    shown = [
        _summary(resource)
        for resource in service.store.below(below)
        if resource.type != GROUP and "location" in resource.body and _chosen(resource, wanted)
    ]
    return ArmAnswer(200, page(request, shown, service.page_size))


def _filter(request: ArmRequest, *known: str) -> dict[str, str]:
    """Name in lower case -> value, of a `$filter` of equalities joined by `and`. Raises: ArmError otherwise."""
    text = request.query.get("$filter", "")
    if not text.strip():
        return {}
    clauses = _CLAUSE.findall(text) if _FILTER.fullmatch(text) else ()
    names = {name.lower() for name in known}
    if not clauses or any(name.lower() not in names for name, _ in clauses):
        raise ArmError(
            400,
            "InvalidFilterInQueryString",
            f"Invalid $filter '{text}' specified in the query string: give equalities of {', '.join(known)}, "
            "joined by 'and'.",
        )
    return {name.lower(): value.replace("''", "'") for name, value in clauses}


def _chosen(resource: Resource, wanted: Mapping[str, str]) -> bool:
    parts = resource.id.split("/")
    location = find(wanted["location"]) if "location" in wanted else None
    values = {
        "resourcetype": resource.type,
        "resourcegroup": parts[4],
        "name": resource.name,
    }
    return (
        all(value.lower() == wanted.get(name, value).lower() for name, value in values.items())
        and ("location" not in wanted or (location is not None and location.name == resource.hidden.get("region")))
        and _tagged(resource, wanted)
    )


def _tagged(resource: Resource, wanted: Mapping[str, str]) -> bool:
    if "tagname" not in wanted:
        return True
    tags = {name.lower(): value for name, value in resource.body.get("tags", {}).items()}
    value = tags.get(wanted["tagname"].lower())
    return value is not None and wanted.get("tagvalue", value) == value


def _summary(resource: Resource) -> Body:
    """A resource in a list of several types: without properties, its name preceded by those of its parents."""
    kept = ("id", "type", "kind", "location", "tags", "sku", "plan", "identity", "managedBy", "zones")
    shown: Body = {name: resource.body[name] for name in kept if name in resource.body}
    return {**shown, "name": "/".join(resource.id.split("/")[8::2])}


_BODY = tracked_resource()
_PATCH_BODY = object_of(tags=TAGS)

HANDLERS = Handlers(
    (
        Route("PUT", GROUP_PATH, _put, "write resource group", body=_BODY),
        Route("PATCH", GROUP_PATH, _patch, "patch resource group", body=_PATCH_BODY),
        Route("GET", GROUP_PATH, _get, "read resource group"),
        Route("HEAD", GROUP_PATH, _head, "check resource group"),
        Route("DELETE", GROUP_PATH, _delete, "delete resource group"),
        Route("GET", f"{SUBSCRIPTION_PATH}/resourceGroups", _list, "list resource groups", query=("$filter",)),
        Route("GET", f"{GROUP_PATH}/resources", _list_in_group, "list resources in group", query=("$filter",)),
        Route("GET", f"{SUBSCRIPTION_PATH}/resources", _list_resources, "list resources", query=("$filter",)),
        Route("GET", _RESULT_PATH, _result, "deletion of resource group"),
    ),
    {GROUP: _finish},
)
