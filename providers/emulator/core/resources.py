"""What all tracked resources have in common: names, ids, location, provisioning state, children."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.providers.emulator.core.arm import (
    COMPUTE,
    GROUP_PATH,
    ArmAnswer,
    ArmError,
    ArmRequest,
    Body,
    group_not_found,
    not_found,
    page,
)
from reconciler.providers.emulator.core.async_operations import accepted
from reconciler.providers.emulator.core.body_fields import Fields
from reconciler.providers.emulator.core.locations import Location, find
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import AsyncOperation, Resource

GALLERY = "microsoft.compute/galleries"
DEFINITION = "microsoft.compute/galleries/images"
VERSION = "microsoft.compute/galleries/images/versions"
SOFT_DELETED = "microsoft.compute/galleries/softdeletedartifacttypes/artifacts/versions"

SUCCEEDED, FAILED = "Succeeded", "Failed"
CREATING, UPDATING, DELETING = "Creating", "Updating", "Deleting"

_CHANGED = "PropertyChangeNotAllowed"


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A type of resource: its name in lower case, such as microsoft.compute/disks; its label, which begins the targets
    of refusals; the pattern of its resources' names, and the rule that refusals quote."""

    name: str
    label: str
    name_pattern: re.Pattern[str]
    name_rule: str


def check_name(resource_type: ResourceType, name: str) -> None:
    """Raises: ArmError for a name that resources of this type cannot have."""
    if not resource_type.name_pattern.fullmatch(name):
        message = f"The resource name '{name}' is invalid: {resource_type.name_rule}"
        raise ArmError(400, "InvalidResourceName", message, "name")


def check_quota(service: Service, resource_type: str, location: Location, most: int, plural: str) -> None:
    """Raises: ArmError when a location holds `most` resources of a type already, which the message calls `plural`."""
    if service.store.count(resource_type, location.name) >= most:
        raise ArmError(409, "QuotaExceeded", f"The limit of {most} {plural} in location '{location.name}' is reached.")


def location_of(fields: Fields, existing: Resource | None) -> Location:
    """The location in a request. Raises: ArmError when there is none, or when the existing resource is elsewhere."""
    given = fields.text("location", required=existing is None)
    name = given or (existing.body["location"] if existing else "")
    location = find(name)
    if location is None:
        raise ArmError(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{name}' is not available for resource type '{fields.target}'.",
            "location",
        )
    if existing is not None and location.name != existing.hidden["region"]:
        raise ArmError(
            409,
            "InvalidResourceLocation",
            f"The resource '{existing.name}' already exists in location '{existing.hidden['region']}' in resource "
            f"group '{existing.id.split('/')[4]}'. A resource with the same name cannot be created in location "
            f"'{location.name}'.",
            "location",
        )
    return location


def changed(target: str, before: Any, after: Any) -> ArmError:
    """The refusal to change what was fixed at creation."""
    return ArmError(409, _CHANGED, f"Changing property '{target}' from '{before}' to '{after}' is not allowed.", target)


def fixed(fields: Fields, name: str, before: Any, after: Any) -> Any:
    """The present value of a property that is set when its resource is created, and may be left out later.

    Raises: ArmError when the request has another value, or a value where there was none.
    """
    if after is not None and _folded(after) != _folded(before):
        raise changed(fields.path(name), before, after)
    return before


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, Mapping):
        return {name: _folded(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_folded(entry) for entry in value]
    return value


def require(service: Service, resource_id: str) -> Resource:
    """The resource with an id. Raises: ArmError 404, for the resource group when that is what does not exist."""
    resource = service.store.get(resource_id)
    if resource is None:
        group_id = "/".join(resource_id.split("/")[:5])
        if service.store.get(group_id) is None:
            raise group_not_found(group_id.rpartition("/")[2])
        raise not_found(resource_id)
    return resource


def parent_of(service: Service, request: ArmRequest, resource_id: str) -> Resource:
    """The parent of a resource. Raises: ArmError when it does not exist, is hidden by a fault, or is being deleted."""
    parent_id = resource_id.rsplit("/", 2)[0]
    parent = service.store.get(parent_id)
    hidden = service.faults.take("hide-parent", request.method, request.path)
    if parent is None or hidden:
        raise ArmError(
            404,
            "ParentResourceNotFound",
            f"Failed to perform '{request.method.lower()}' on resource of type '{_type_of(resource_id)}', because the "
            f"parent resource '{parent_id}' could not be found.",
        )
    if parent.properties.get("provisioningState") == DELETING:
        raise ArmError(409, "Conflict", f"The resource '{parent_id}' is being deleted.")
    return parent


def _type_of(resource_id: str) -> str:
    parts = resource_id.split("/")
    return "/".join([parts[6], *parts[7::2]])


def not_busy(service: Service, resource: Resource) -> None:
    """Raises: ArmError when the resource is being deleted, or another operation on it is running."""
    if resource.properties.get("provisioningState") == DELETING:
        raise ArmError(
            409, "OperationNotAllowed", f"The resource '{resource.id}' is marked for deletion: it cannot be changed."
        )
    if service.store.running_operations(resource.key):
        raise ArmError(409, "Conflict", f"Another operation on '{resource.id}' is in progress. Try again later.")


def refuse_parent_delete(service: Service, request: ArmRequest, resource: Resource, inside: list[str]) -> None:
    """Raises: ArmError while the resource has children, or the service still believes that it has."""
    lagging = resource.hidden.get("busyUntil", 0) > service.clock.now()
    if inside or lagging or service.faults.take("busy-parent", request.method, request.path):
        named = f" Some existing nested resource IDs include: '{', '.join(inside[:5])}'." if inside else ""
        raise ArmError(
            409,
            "CannotDeleteResource",
            f"Can not delete resource before nested resources are deleted.{named}",
        )


def child_gone(service: Service, child: Resource, since: float) -> None:
    """Records that the parent is not yet seen as empty, for a while.

    Source: reports that a parent's deletion fails for 10 to 30 seconds after its child is gone.
    """
    parent = service.store.get(child.parent)
    lag = service.durations.scaled(service.durations.parent_lag)
    if parent is not None and lag > 0:
        parent.hidden["busyUntil"] = since + lag
        service.store.put(parent)


def begin_delete(service: Service, request: ArmRequest, resource: Resource, seconds: float, poll_s: float) -> ArmAnswer:
    """Starts the deletion of a resource, which ends every other operation on it."""
    running = service.store.running_operations(resource.key)
    for operation in running:
        if operation.verb == "delete":
            return accepted(service, request, resource, operation, poll_s=poll_s)
        operation.done, operation.due = True, service.clock.now()
        operation.error = {"code": "OperationPreempted", "message": "The resource is being deleted."}
        service.store.put_operation(operation)
    resource.properties["provisioningState"] = DELETING
    service.store.put(resource)
    operation = service.start(request, resource, "delete", seconds)
    return accepted(service, request, resource, operation, poll_s=poll_s)


def finish_container(service: Service, operation: AsyncOperation, resource: Resource) -> None:
    """The end of an operation on a gallery or a definition."""
    if operation.verb == "delete":
        service.store.remove(resource.id)
        child_gone(service, resource, operation.end)
        return
    resource.properties["provisioningState"] = SUCCEEDED
    service.store.put(resource)


def listing(
    service: Service, request: ArmRequest, resources: list[Resource], show: Callable[[Resource], Body]
) -> ArmAnswer:
    return ArmAnswer(200, page(request, [show(resource) for resource in resources], service.page_size))


def resource_id(request: ArmRequest, *names: str) -> str:
    """The id of a compute resource in the request's group: `names` are collections and names in turn."""
    group = GROUP_PATH.format(**request.params)
    return "/".join([group, "providers", COMPUTE, *names])
