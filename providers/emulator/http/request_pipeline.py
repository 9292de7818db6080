"""From a raw request to its answer: identity endpoints, then the token, then faults, then the service."""

from __future__ import annotations

import logging
import math
import uuid
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from reconciler.providers.emulator.core import api_versions
from reconciler.providers.emulator.core.arm import ArmAnswer, ArmError, ArmRequest
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.subscriptions import check_subscription
from reconciler.providers.emulator.http import admin
from reconciler.providers.emulator.http.identity import Identity
from reconciler.providers.emulator.http.request_log import RequestLog
from reconciler.providers.emulator.http.request_parsing import RawRequest
from reconciler.providers.emulator.http.throttling import Budgets
from reconciler.providers.emulator.http.tokens import Tokens, challenge

METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")
_LOG = logging.getLogger(__name__)
_LONGEST_ECHO = 128
_UNAUTHORIZED = 401


class ConnectionClosed(Exception):
    """There is no answer: the connection has to be closed."""


@dataclass(frozen=True, slots=True)
class RequestPipeline:
    """Everything between HTTP and the service. `budgets` is None when requests are unlimited. `names` are the hosts
    that the service is, in lower case; one that is asked for by another name does not answer. Empty: any."""

    service: Service
    tokens: Tokens
    identity: Identity
    request_log: RequestLog
    budgets: Budgets | None = None
    names: frozenset[str] = frozenset()

    def serve(self, raw: RawRequest) -> ArmAnswer:
        """The answer to any request, perhaps an error. Raises: ConnectionClosed when a fault requires it."""
        try:
            answer = self._answer(raw)
        except ArmError as error:
            answer = error.answer()
            if error.status == _UNAUTHORIZED:
                headers = challenge(error, raw.base_url, self.service.tenant)
                answer = replace(answer, headers={**answer.headers, **headers})
        except ConnectionClosed:
            raise
        except Exception:  # noqa: BLE001  the last resort: log it, and give the client an answer that it can read
            _LOG.exception("%s %r could not be answered", raw.method, raw.target)
            answer = ArmError(500, "InternalServerError", "The server met an internal error. This is a bug.").answer()
        return replace(answer, headers={**_usual_headers(raw), **answer.headers})

    def _answer(self, raw: RawRequest) -> ArmAnswer:
        path, base_url = raw.path(), raw.base_url
        if self.names and (urlsplit(base_url).hostname or "") not in self.names:
            raise ArmError(400, "InvalidHostName", "The request is for another host than this one.")
        if raw.method not in METHODS:
            message = f"The method {raw.method[:20]} is not supported."
            raise ArmError(405, "MethodNotAllowed", message, headers={"Allow": ", ".join(METHODS)})
        identity_answer = self.identity.answer(raw, path)
        if identity_answer is not None:
            return identity_answer
        self.tokens.check(raw.headers.get("authorization", ""))
        if path.lower() == admin.PREFIX or path.lower().startswith(f"{admin.PREFIX}/"):
            return admin.answer(self.service, self.request_log, raw, path)
        return self._logged(raw, ArmRequest(raw.method, path, raw.query(), base_url=base_url))

    def _logged(self, raw: RawRequest, request: ArmRequest) -> ArmAnswer:
        """The answer of the service, which is logged with its status, or with 0 when the connection is closed."""
        status = 0
        try:
            answer = self._handled(raw, request)
            status = answer.status
        except ArmError as error:
            status = error.status
            raise
        finally:
            url = b"?".join(filter(None, (raw.target, raw.query_string))).decode("latin-1")
            self.request_log.add(self._route_name(request), request.method, url, status)
        return answer

    def _route_name(self, request: ArmRequest) -> str:
        try:
            return self.service.route(request)[0].name
        except ArmError:
            return "no route"

    def _handled(self, raw: RawRequest, request: ArmRequest) -> ArmAnswer:
        self._apply_faults(request)
        check_subscription(self.service, request.path)
        api_versions.check(request.api_version, request.path)
        request = replace(request, body=raw.json())
        route, _ = self.service.route(request)
        spent = self.budgets.take(route.budget) if self.budgets and route.budget else {}
        try:
            answer = self.service.handle(request)
        except ArmError as error:
            answer = error.answer()
        if self._fault("lose-answer", request):
            raise ConnectionClosed
        return replace(answer, headers={**answer.headers, **spent})

    def _apply_faults(self, request: ArmRequest) -> None:
        """Takes the faults that prevent a request from being handled. Raises: ArmError; ConnectionClosed."""
        if self._fault("drop", request):
            raise ConnectionClosed
        if self._fault("expire-token", request):
            raise self.tokens.expired(self.service.clock.now())
        if fault := self._fault("throttle", request):
            wait = str(math.ceil(fault.seconds))
            message = "The request is being throttled. For more information, see the Retry-After header."
            raise ArmError(429, "TooManyRequests", message, headers={"Retry-After": wait})
        if fault := self._fault("error", request):
            raise ArmError(fault.status, fault.code, "An injected fault of the emulator.")

    def _fault(self, action: str, request: ArmRequest) -> Fault | None:
        return self.service.faults.take(action, request.method, request.path)


def _usual_headers(raw: RawRequest) -> dict[str, str]:
    """The headers of every answer. Source: Resource Manager common API contract, response headers."""
    request_id = str(uuid.uuid4())
    headers = {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "X-Content-Type-Options": "nosniff",
        "x-ms-request-id": request_id,
        "x-ms-correlation-request-id": _echo(raw, "x-ms-correlation-request-id") or request_id,
    }
    if client_id := _echo(raw, "x-ms-client-request-id"):
        headers["x-ms-client-request-id"] = client_id
    return headers


def _echo(raw: RawRequest, name: str) -> str:
    """A header of the request if it can be returned unchanged; empty otherwise."""
    value = raw.headers.get(name, "")
    return value if value.isascii() and value.isprintable() and len(value) <= _LONGEST_ECHO else ""
