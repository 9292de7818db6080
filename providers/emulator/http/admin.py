"""The paths below /emulator, which the real service does not have: faults, the request log, an OpenAPI description."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

from reconciler.providers.emulator.core.arm import ArmAnswer, ArmError
from reconciler.providers.emulator.core.injected_faults import Fault, read_faults
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.http.openapi import describe
from reconciler.providers.emulator.http.request_log import RequestLog
from reconciler.providers.emulator.http.request_parsing import RawRequest, read_json

PREFIX = "/emulator"
_Handler = Callable[[Service, RequestLog, RawRequest], ArmAnswer]


def set_faults(service: Service, faults: Iterable[Fault]) -> None:
    """Replaces the faults. Operations that are stuck end now, unless one of the new faults makes operations stick."""
    wanted = list(faults)
    with service.store.transaction():
        service.faults.set(wanted)
        if not any(fault.action == "stick" for fault in wanted):
            for operation in service.store.stuck_operations():
                operation.due = service.clock.now()
                service.store.put_operation(operation)


def answer(service: Service, request_log: RequestLog, raw: RawRequest, path: str) -> ArmAnswer:
    """The answer to an authenticated request for a path below /emulator. Raises: ArmError."""
    handlers = _HANDLERS.get(path.lower())
    if handlers is None:
        raise ArmError(404, "NotFound", f"There is nothing at '{path}'. The paths are: {', '.join(_HANDLERS)}.")
    handler = handlers.get(raw.method)
    if handler is None:
        allowed = ", ".join(sorted(handlers))
        raise ArmError(405, "MethodNotAllowed", f"'{path}' takes {allowed}.", headers={"Allow": allowed})
    return handler(service, request_log, raw)


def _show_faults(service: Service, _traffic: RequestLog, _raw_request: RawRequest) -> ArmAnswer:
    return ArmAnswer(200, [dataclasses.asdict(fault) for fault in service.faults])


def _put_faults(service: Service, request_log: RequestLog, raw: RawRequest) -> ArmAnswer:
    try:
        faults = read_faults(read_json(raw.body))
    except ValueError as error:
        raise ArmError(400, "InvalidRequestContent", str(error)) from error
    set_faults(service, faults)
    return _show_faults(service, request_log, raw)


def _delete_faults(service: Service, _traffic: RequestLog, _raw_request: RawRequest) -> ArmAnswer:
    set_faults(service, ())
    return ArmAnswer(204)


def _show_requests(_service: Service, request_log: RequestLog, _raw_request: RawRequest) -> ArmAnswer:
    return ArmAnswer(200, request_log.summary())


def _reset_requests(_service: Service, request_log: RequestLog, _raw_request: RawRequest) -> ArmAnswer:
    request_log.reset()
    return ArmAnswer(204)


def _describe(service: Service, _traffic: RequestLog, _raw_request: RawRequest) -> ArmAnswer:
    return ArmAnswer(200, describe(service.handlers.routes))


_HANDLERS: Mapping[str, Mapping[str, _Handler]] = {
    f"{PREFIX}/faults": {"GET": _show_faults, "PUT": _put_faults, "DELETE": _delete_faults},
    f"{PREFIX}/requests": {"GET": _show_requests, "DELETE": _reset_requests},
    f"{PREFIX}/openapi.json": {"GET": _describe},
}
