"""A real https server on loopback that serves images well and badly, and the trust that lets a project use it."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

from reconciler.manifests.trust import DownloadLimits, Trust

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Served:
    """A file as a good server serves it: with ranges, and an ETag if it has one. `cuts`: each answer in turn breaks off
    after so many bytes of its body."""

    content: bytes
    etag: str = ""
    cuts: list[int] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        start = self._start(request)
        if start > 0 and start >= len(self.content):
            return answer(request, 416, b"", {"Content-Range": f"bytes */{len(self.content)}"})
        body, size = self.content[start:], len(self.content)
        headers = {**self.headers, **({"ETag": self.etag} if self.etag else {})}
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        cut = self.cuts.pop(0) if self.cuts else None
        return answer(request, 206 if start else 200, body[:cut], {**headers, "Content-Length": str(len(body))})

    def _start(self, request: BaseHTTPRequestHandler) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if match is None or request.headers.get("If-Range", self.etag) != self.etag:
            return 0
        return int(match[1])


@dataclass
class ImageServer:
    """`answers` by path; `requests` are (path, headers) of all that came, `connections` counts what connected."""

    port: int
    authority: Path
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"

    def trust(self, **limits: int) -> Trust:
        """The trust of somebody who has named this server in their settings."""
        return Trust(downloads=DownloadLimits(hosts={f"localhost:{self.port}": self.authority}, **limits))

    def ranges(self) -> list[str]:
        """The ranges that were asked for, in order; empty for a whole file."""
        return [headers.get("Range", "") for _, headers in self.requests]


def answer(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Sends an answer and closes the connection."""
    request.send_response_only(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        if value:
            request.send_header(name, value)
    request.send_header("Connection", "close")
    request.end_headers()
    request.wfile.write(body)
    request.close_connection = True


def redirect(location: str) -> Answer:
    return lambda request: answer(request, 302, b"", {"Location": location})


def status(code: int, **headers: str) -> Answer:
    return lambda request: answer(request, code, b"what a server says", headers)


def in_turn(*answers: Answer) -> Answer:
    """The first answer to the first request, and so on; the last one to all others."""
    left = list(answers)
    return lambda request: (left.pop(0) if len(left) > 1 else left[0])(request)


@contextmanager
def image_server(folder: Path) -> Iterator[ImageServer]:
    """A server with a certificate for `localhost`, whose authority's certificate is written into `folder`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.requests.append((self.path, dict(self.headers)))
            with suppress(OSError):
                served.answers.get(self.path, status(404))(self)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as above
            """Logs nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: Any, client_address: Any) -> None:
            served.connections += 1
            with suppress(OSError), context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)

        def shutdown_request(self, request: object) -> None:
            """The secure socket has been closed, and the plain one with it."""

    server = Server(("127.0.0.1", 0), Handler)
    served = ImageServer(server.server_port, folder / "authority.pem")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
