"""The ASGI application: reads a request, has it answered in a thread, and writes the answer."""

from __future__ import annotations

import json
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.providers.emulator.core.arm import ArmAnswer, ArmError
from reconciler.providers.emulator.http.request_parsing import MOST_BODY_BYTES, RawRequest
from reconciler.providers.emulator.http.request_pipeline import ConnectionClosed, RequestPipeline

CLOSE = "reconciler.close"
"""The extension of the ASGI scope that closes the connection immediately."""
_MOST_DRAINED_BYTES = 16 * MOST_BODY_BYTES


def create_app(pipeline: RequestPipeline) -> ASGIApp:
    """An application that passes every HTTP request to `pipeline`. Its server has to offer the extension `CLOSE`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served, not {scope['type']}")
        request = Request(scope, receive)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return
        if body is None:
            answer = _too_large().answer()
        else:
            try:
                answer = await run_in_threadpool(pipeline.serve, _raw_request(request, body))
            except ConnectionClosed:
                await _close(scope, receive)
                return
        await _response(answer, scope["method"])(scope, receive, send)

    return app


async def _body(request: Request) -> bytes | None:
    """The whole body; None when it is too large. Most of it is read even so: few clients listen while they send."""
    body = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MOST_BODY_BYTES:
            body += chunk
        elif size > _MOST_DRAINED_BYTES:
            break
    return bytes(body) if size <= MOST_BODY_BYTES else None


def _raw_request(request: Request, body: bytes) -> RawRequest:
    scope = request.scope
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        headers.setdefault(raw_name.decode("latin-1").lower(), raw_value.decode("latin-1"))
    return RawRequest(scope["method"], scope["raw_path"], scope["query_string"], headers, body, scope["scheme"])


def _too_large() -> ArmError:
    return ArmError(
        413,
        "RequestEntityTooLarge",
        f"The request content is larger than {MOST_BODY_BYTES} bytes.",
        headers={"Connection": "close"},
    )


async def _close(scope: Scope, receive: Receive) -> None:
    """Closes the connection, and returns when the server has noticed; it would answer 500 otherwise."""
    close: Callable[[], None] = scope["extensions"][CLOSE]
    close()
    while (await receive())["type"] != "http.disconnect":
        pass


def _response(answer: ArmAnswer, method: str) -> Response:
    headers = dict(answer.headers)
    if answer.body is None or method == "HEAD":
        return Response(None, answer.status, headers)
    content = json.dumps(answer.body, ensure_ascii=False, allow_nan=False).encode()
    return Response(content, answer.status, {**headers, "Content-Type": "application/json; charset=utf-8"})
