"""Asynchronous operations as clients see them: the headers of the first answer, and the URL to poll.

Source: recordings of the Azure CLI's gallery tests; Resource Manager's documentation of asynchronous operations.
"""

from __future__ import annotations

from reconciler.providers.emulator.core.arm import SUBSCRIPTION_COMPUTE, ArmAnswer, ArmError, ArmRequest, Body
from reconciler.providers.emulator.core.service import Handlers, Route, Service
from reconciler.providers.emulator.core.store import AsyncOperation, Resource

_PATH = f"{SUBSCRIPTION_COMPUTE}/locations/{{location}}/capsOperations/{{operation}}"


def written(
    service: Service, request: ArmRequest, resource: Resource, operation: AsyncOperation, *, new: bool, poll_s: float
) -> ArmAnswer:
    """The first answer to a PUT or PATCH: the resource in its intermediate state, and the URL to poll."""
    return ArmAnswer(201 if new else 200, resource.body, _headers(service, request, resource, operation, poll_s))


def accepted(
    service: Service, request: ArmRequest, resource: Resource, operation: AsyncOperation, *, poll_s: float
) -> ArmAnswer:
    """The first answer to a DELETE or POST: empty, with the URL to poll twice, once to monitor the result."""
    headers = _headers(service, request, resource, operation, poll_s)
    location = f"{headers['Azure-AsyncOperation']}&monitor=true"
    return ArmAnswer(202, None, {**headers, "Location": location})


def _headers(
    service: Service, request: ArmRequest, resource: Resource, operation: AsyncOperation, poll_s: float
) -> dict[str, str]:
    region = resource.hidden["region"]
    path = _PATH.format(sub=service.subscription, location=region, operation=operation.id)
    return {
        "Azure-AsyncOperation": request.url(path),
        "Retry-After": str(service.durations.retry_after_s(poll_s)),
        "azure-asyncnotification": "Enabled",
    }


def _status(service: Service, request: ArmRequest) -> ArmAnswer:
    operation = service.store.operation(request.params["operation"])
    if operation is None:
        raise ArmError(404, "NotFound", "The operation was not found, or it is too old.")
    if "monitor" in request.query:
        return ArmAnswer(200 if operation.done else 202)
    body: Body = {"startTime": service.stamp(operation.started), "status": "InProgress", "name": operation.id}
    if not operation.done:
        return ArmAnswer(200, body, {"Retry-After": str(max(1, service.durations.retry_after_s(10)))})
    body["endTime"] = service.stamp(operation.due)
    body["status"] = "Failed" if operation.error else "Succeeded"
    if operation.error:
        body["error"] = operation.error
    return ArmAnswer(200, body)


HANDLERS = Handlers(
    (Route("GET", _PATH, _status, "operation status", budget="GetOperationStatus", query=("monitor",)),),
)
