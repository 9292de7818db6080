"""A proxy in front of an HTTP service: it records requests, and answers itself or hangs up on demand."""

from __future__ import annotations

import http.client
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Passed:
    """A request that passed."""

    method: str
    path: str
    headers: Mapping[str, str]
    length: int


@dataclass(frozen=True)
class Answer:
    """The proxy's own answer; status 0 hangs up. `late`: after the service has handled the request."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    late: bool = False
    content: bytes = b""


class Proxy:
    """A running proxy. `refuse` decides what happens to the next request that matches."""

    def __init__(self, url: str, target: str) -> None:
        self.url = url
        self.target = urlsplit(target)
        self.passed: list[Passed] = []
        self._refusals: deque[tuple[Callable[[Passed], bool], Answer]] = deque()
        self._lock = threading.Lock()

    def refuse(self, answer: Answer, which: Callable[[Passed], bool] = lambda _: True) -> None:
        """Answers the next request that matches in this way; several are queued."""
        self._refusals.append((which, answer))

    def note(self, request: Passed) -> Answer | None:
        with self._lock:
            self.passed.append(request)
            if self._refusals and self._refusals[0][0](request):
                return self._refusals.popleft()[1]
            return None


@contextmanager
def proxy_before(target: str) -> Iterator[Proxy]:
    """A proxy on a free port of the loopback interface; its URL has the path of `target`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.block_on_close = False
    proxy = Proxy(f"http://127.0.0.1:{server.server_port}{urlsplit(target).path}", target)
    _Handler.proxies[server.server_port] = proxy
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
        del _Handler.proxies[server.server_port]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    disable_nagle_algorithm = True  # else the content of an answer waits for the client to acknowledge its head
    proxies: dict[int, Proxy] = {}  # noqa: RUF012

    def _handle(self) -> None:
        address: Any = self.server.server_address
        proxy = self.proxies[address[1]]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = proxy.note(Passed(self.command, self.path, dict(self.headers.items()), len(body)))
        if answer is None or answer.late:
            response = self._ask(proxy, body)
        if answer is None:
            self._answer(*response)
        elif answer.status == 0:
            self.close_connection = True
        else:
            self._answer(answer.status, answer.headers, answer.content)

    do_GET = do_PUT = do_HEAD = do_DELETE = _handle  # noqa: N815

    def _ask(self, proxy: Proxy, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """The service's status, headers and content."""
        connection = http.client.HTTPConnection(str(proxy.target.hostname), proxy.target.port, timeout=30)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response_only(status)
        ours = ("content-length", "transfer-encoding", "connection", "keep-alive")
        for name, value in headers.items():
            if name.lower() not in ours:
                self.send_header(name, value)
        length = headers.get("content-length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Nothing: what passes is in the proxy."""
