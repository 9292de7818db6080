"""The subscription with its tenant, locations and resource providers; and the check that a resource group exists.

Source: the Resource Manager REST specification (subscriptions, providers).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from reconciler.providers.emulator.core.api_versions import GALLERY_VERSIONS
from reconciler.providers.emulator.core.arm import ArmAnswer, ArmError, ArmRequest, Body, group_not_found
from reconciler.providers.emulator.core.locations import LOCATIONS
from reconciler.providers.emulator.core.service import Handlers, Route, Service
from reconciler.providers.emulator.core.store import Resource

GROUP = "microsoft.resources/resourcegroups"
SUBSCRIPTION_PATH = "/subscriptions/{sub}"
DELETING = "Deleting"
_PROVIDER_PATH = f"{SUBSCRIPTION_PATH}/providers/{{ns}}"
_OTHER_VERSIONS = ("2024-07-01", "2024-11-01", "2025-01-02", "2025-04-01")
_RESOURCES = "Microsoft.Resources"
_RESOURCE_PATH = re.compile(r".*/providers/(?P<namespace>[^/{}]+)/(?P<path>[^{}]+/\{.*)")


def subscription_id(service: Service) -> str:
    return f"/subscriptions/{service.subscription}"


def check_subscription(service: Service, path: str) -> None:
    """Raises: ArmError when a path names another subscription."""
    parts = path.split("/")
    if len(parts) < 3 or parts[1].lower() != "subscriptions" or parts[2].lower() == service.subscription.lower():
        return
    try:
        uuid.UUID(parts[2])
    except ValueError as error:
        message = f"The provided subscription identifier '{parts[2]}' is malformed or invalid."
        raise ArmError(400, "InvalidSubscriptionId", message) from error
    raise ArmError(404, "SubscriptionNotFound", f"The subscription '{parts[2]}' could not be found.")


def group_id(service: Service, name: str) -> str:
    return f"{subscription_id(service)}/resourceGroups/{name}"


def require_group(service: Service, request: ArmRequest) -> Resource:
    """The resource group of a request.

    Raises: ArmError when it does not exist, or when the request would write to a group that is being deleted.
    """
    check_subscription(service, request.path)
    name = request.params["rg"]
    group = service.store.get(group_id(service, name))
    if group is None:
        raise group_not_found(name)
    if request.method in ("PUT", "PATCH", "POST") and group.properties["provisioningState"] == DELETING:
        raise ArmError(
            409,
            "ResourceGroupBeingDeleted",
            f"The resource group '{name}' is in deprovisioning state and takes no writes.",
        )
    return group


def _subscription(service: Service) -> Body:
    return {
        "id": subscription_id(service),
        "subscriptionId": service.subscription,
        "tenantId": service.tenant,
        "displayName": "Emulated subscription",
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    }


def _list_subscriptions(service: Service, _request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200, {"value": [_subscription(service)], "count": {"type": "Total", "value": 1}})


def _get_subscription(service: Service, _request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200, _subscription(service))


def _list_tenants(service: Service, _request: ArmRequest) -> ArmAnswer:
    tenant = {"id": f"/tenants/{service.tenant}", "tenantId": service.tenant, "displayName": "Emulated tenant"}
    return ArmAnswer(200, {"value": [tenant]})


def _list_locations(service: Service, _request: ArmRequest) -> ArmAnswer:
    shown = []
    for location in LOCATIONS.values():
        entry: Body = {
            "id": f"{subscription_id(service)}/locations/{location.name}",
            "name": location.name,
            "type": "Region",
            "displayName": location.display_name,
            "regionalDisplayName": f"({location.geography}) {location.display_name}",
            "metadata": {"regionType": "Physical", "geographyGroup": location.geography},
        }
        if location.zones:
            entry["availabilityZoneMappings"] = [
                {"logicalZone": str(zone), "physicalZone": f"{location.name}-az{zone}"} for zone in (1, 2, 3)
            ]
        shown.append(entry)
    return ArmAnswer(200, {"value": shown})


def _types(service: Service) -> Mapping[str, list[str]]:
    """Namespace -> its types of resources: everything that has a PUT."""
    types = {_RESOURCES: ["resourceGroups", "subscriptions"]}
    for route in service.handlers.routes:
        if route.method == "PUT" and (match := _RESOURCE_PATH.fullmatch(route.path)):
            types.setdefault(match["namespace"], []).append("/".join(match["path"].split("/")[::2]))
    return types


def _provider(service: Service, namespace: str, types: list[str]) -> Body:
    locations = [location.display_name for location in LOCATIONS.values()]
    return {
        "id": f"{subscription_id(service)}/providers/{namespace}",
        "namespace": namespace,
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [
            {
                "resourceType": name,
                "locations": locations,
                "apiVersions": list(reversed(GALLERY_VERSIONS if name.startswith("galleries") else _OTHER_VERSIONS)),
            }
            for name in sorted(types)
        ],
    }


def _list_providers(service: Service, _request: ArmRequest) -> ArmAnswer:
    providers = [_provider(service, namespace, types) for namespace, types in _types(service).items()]
    return ArmAnswer(200, {"value": providers})


def _get_provider(service: Service, request: ArmRequest) -> ArmAnswer:
    wanted = request.params["ns"]
    for namespace, types in _types(service).items():
        if namespace.lower() == wanted.lower():
            return ArmAnswer(200, _provider(service, namespace, types))
    raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{wanted}' is invalid.")


HANDLERS = Handlers(
    (
        Route("GET", "/subscriptions", _list_subscriptions, "list subscriptions"),
        Route("GET", SUBSCRIPTION_PATH, _get_subscription, "read subscription"),
        Route("GET", "/tenants", _list_tenants, "list tenants"),
        Route("GET", f"{SUBSCRIPTION_PATH}/locations", _list_locations, "list locations"),
        Route("GET", f"{SUBSCRIPTION_PATH}/providers", _list_providers, "list resource providers"),
        Route("GET", _PROVIDER_PATH, _get_provider, "read resource provider"),
        Route("POST", f"{_PROVIDER_PATH}/register", _get_provider, "register resource provider"),
    ),
)
