"""Resource ids in request bodies: parsed, and resolved to the resources that they name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reconciler.providers.emulator.core.arm import ArmError, invalid
from reconciler.providers.emulator.core.resources import CREATING, DELETING, GALLERY
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Resource

DISK = "microsoft.compute/disks"
SNAPSHOT = "microsoft.compute/snapshots"
IMAGE = "microsoft.compute/images"
VIRTUAL_MACHINE = "microsoft.compute/virtualmachines"
ENCRYPTION_SET = "microsoft.compute/diskencryptionsets"
STORAGE_ACCOUNT = "microsoft.storage/storageaccounts"

_ID = re.compile(
    r"/subscriptions/(?P<sub>[^/?#]+)/resourceGroups/(?P<rg>[^/?#]+)/providers/(?P<provider>[^/?#]+)"
    r"(?P<path>(?:/[^/?#]+/[^/?#]+)+)",
    re.IGNORECASE,
)


def type_of(text: str) -> str:
    """The resource type of an id, in lower case; empty when it is not the id of a resource in a group."""
    match = _ID.fullmatch(text)
    if match is None:
        return ""
    return "/".join([match["provider"], *match["path"].split("/")[1::2]]).lower()


def linked(service: Service, text: str, types: Sequence[str], target: str) -> Resource:
    """The resource that an id in a request names.

    Raises: ArmError when it is not an id, has another type, is in another subscription, does not exist, or is being
    created or deleted.
    """
    resource_type = type_of(text)
    if resource_type not in types:
        expected = " or ".join(types)
        what = f"is an id of type '{resource_type}'" if resource_type else "is not a resource id"
        raise invalid(target, f"The value '{text}' of '{target}' {what}; expected is {expected}.")
    subscription = text.split("/")[2]
    if subscription.lower() != service.subscription.lower():
        raise ArmError(
            403,
            "LinkedAuthorizationFailed",
            f"The client has no permission on the linked scope '{text}' in subscription '{subscription}'.",
            target,
        )
    resource = service.store.get(text)
    if resource is None:
        raise ArmError(404, "NotFound", f"The resource '{text}' in '{target}' was not found.", target)
    state = resource.properties.get("provisioningState")
    if state == DELETING or (state == CREATING and not resource.type.startswith(GALLERY)):
        raise ArmError(409, "Conflict", f"The resource '{text}' in '{target}' is in state {state}.", target)
    return resource


def same_region(resource: Resource, region: str, target: str) -> None:
    """Raises: ArmError when a linked resource is in another region."""
    home = resource.hidden["region"]
    if home != region:
        raise invalid(target, f"The resource '{resource.id}' is in location '{home}'; it has to be in '{region}'.")
