"""The socket and the server below the application: uvicorn in a thread, with TLS, and a way to drop connections."""

from __future__ import annotations

import asyncio
import socket
import ssl
from threading import Event, Thread
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.providers.emulator.http.app import CLOSE
from reconciler.providers.errors import ProviderError

_MOST_HEAD_BYTES = 64 * 1024
_KEEP_ALIVE_S = 75
_STOP_WITHIN_S = 1
_BACKLOG = 512
_MOST_CONNECTIONS = 512
_REQUEST_WITHIN_S = 30.0
"""A request that is not complete so long after its first byte, or the first one after the connection, is given up."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 means any free port. Raises: ProviderError when the address cannot be used."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ProviderError(
            f"the emulator cannot listen on {host} port {port}: {error.strerror or error}",
            "choose another --port, or --port 0 for any free one",
        ) from error
    # Connections inherit this. Without it, the body of each answer waits for the client to acknowledge the head: 40 ms.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


class Listener:
    """A server in a thread. It answers as soon as it is constructed, and until `stop_soon`."""

    def __init__(self, app: ASGIApp, bound: socket.socket, context: ssl.SSLContext) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            interface="asgi3",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_STOP_WITHIN_S,
            h11_max_incomplete_event_size=_MOST_HEAD_BYTES,
        )
        config.load()
        config.ssl = context
        self._server = _Server(config)
        self._bound = bound
        self._thread = Thread(target=self._run, name="emulator", daemon=True)
        self._thread.start()
        self._server.ready.wait()
        if not self._server.started:
            raise ProviderError("the emulator did not start", "see the error above")

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._bound])
        finally:
            self._bound.close()
            self._server.ready.set()

    def stop_soon(self) -> None:
        """Asks the server to stop; safe in a signal handler."""
        self._server.should_exit = True

    def wait(self) -> None:
        """Returns when the server has stopped."""
        self._thread.join()


class _Server(uvicorn.Server):
    """A server that reports when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drops idle connections immediately; requests that are being answered get their time."""
        self._abort_connections(idle=True)
        await super().shutdown(sockets)
        self._abort_connections(idle=False)
        await asyncio.sleep(0)

    def _abort_connections(self, *, idle: bool) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, _Protocol) and (connection.idle or not idle):
                connection.abort()


class _Protocol(H11Protocol):
    """HTTP/1.1, where the application can close the connection without an answer."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        inner = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await inner({**scope, "extensions": {CLOSE: self.abort}}, receive, send)

        self.app = app
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes no more connections than there are threads and descriptors for."""
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            self.abort()
        else:
            self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Gives up on a request that does not end: half-sent ones would hold their connection for ever."""
        super().data_received(data)
        if self.conn.their_state is h11.SEND_BODY or (self.idle and self.conn.trailing_data[0]):
            self._expect_request()
        else:
            self._expect_nothing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(_REQUEST_WITHIN_S, self.abort)

    def _expect_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def abort(self) -> None:
        """Closes the connection without sending another byte."""
        self.transport.abort()
