"""Transfers a file over https into a part file: redirects are followed, breaks are resumed, and all of it is bounded.

Nothing that a server sends is shown except for its status; redirects may hold signatures: only their hosts are named.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import SplitResult, urljoin

from reconciler.manifests.kinds.sources.source_urls import require_redirect_url, require_source_url
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import DownloadLimits
from reconciler.providers.errors import SourceError, Unavailable
from reconciler.providers.image_files.downloads.connections import CheckedConnection, connection_to, watched
from reconciler.providers.image_files.downloads.limits import Limits
from reconciler.providers.image_files.downloads.part_file import PartFile

Progress = Callable[[int, int], None]
"""Called with the bytes done and in total; the total is what is done if it is not known."""

_PIECE = 1 << 20
_HTTPS = 443
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Interrupted(Exception):
    """A transfer ended before its end, and may be continued after `pause_s` or more."""

    def __init__(self, why: str, pause_s: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.pause_s = pause_s


@dataclass(frozen=True, slots=True)
class Transfer:
    """Downloads one address. `allowed`: what may be downloaded; `label` is the address in messages."""

    url: str
    label: str
    allowed: DownloadLimits
    limits: Limits
    progress: Progress | None = None

    def fill(self, part: PartFile) -> None:
        """Downloads what is missing of a file, whose digest is not checked here.

        Raises: SourceError if the file does not exist, is too large, or may not be fetched from where it is;
        Unavailable when the server breaks off too often; ProviderError.
        """
        tries, pause_s = self.limits.tries, self.limits.pause_s
        while True:
            before = part.size
            try:
                return self._attempt(part)
            except _Interrupted as interrupted:
                if part.size - before >= self.limits.worth:
                    tries, pause_s = self.limits.tries, self.limits.pause_s
                tries -= 1
                if tries <= 0:
                    raise Unavailable(
                        f"{self.label} cannot be downloaded: {interrupted.why}",
                        "apply again later: the download continues where it ended",
                    ) from interrupted
                time.sleep(min(self.limits.longest_pause_s, max(pause_s, interrupted.pause_s)))
                pause_s *= 2

    def _attempt(self, part: PartFile) -> None:
        """One request and its answer. Raises: _Interrupted, and as `fill`."""
        url = require_source_url(self.url)
        for _ in range(self.limits.redirects + 1):
            connection = connection_to(
                url.hostname or "", url.port or _HTTPS, self.allowed.hosts, self.limits, self.label
            )
            with self._explaining(connection, url):
                connection.connect()
                watch = watched(connection.sock, self.limits, lambda: part.received)
                with watch, _ask(connection, url, part) as answer:
                    if answer.status not in _REDIRECTS:
                        return self._receive(answer, part)
                    url = self._redirected(url, answer)
        raise SourceError(
            f"{self.label} is redirected more than {self.limits.redirects} times", "give the address of the image"
        )

    @contextmanager
    def _explaining(self, connection: CheckedConnection, url: SplitResult) -> Iterator[None]:
        """Closes a connection at the end, and turns its errors into `_Interrupted`, or into SourceError."""
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise SourceError(
                f"{self.label}: the certificate of the host '{url.hostname}' is not trusted: {error.verify_message}",
                "if it is a host of yours, name it with its authority's certificate under `downloads.hosts` in the "
                "settings of whoever runs this (--settings FILE)",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            why = type(error).__name__ if isinstance(error, http.client.HTTPException) else error
            raise _Interrupted(f"the connection to '{url.hostname}' broke: {why}") from error
        finally:
            connection.close()

    def _redirected(self, url: SplitResult, answer: http.client.HTTPResponse) -> SplitResult:
        """Where an answer redirects to. Raises: SourceError."""
        try:
            return require_redirect_url(urljoin(url.geturl(), answer.getheader("Location", "")))
        except (InvalidInput, ValueError) as error:
            raise SourceError(
                f"{self.label} is redirected by '{url.hostname}' to an address that is not followed",
                "images are downloaded over https only, without credentials: give the address of the image",
            ) from error

    def _receive(self, answer: http.client.HTTPResponse, part: PartFile) -> None:
        """Writes the body of an answer to the part. Raises: _Interrupted, SourceError, ProviderError."""
        if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.digest() == part.sha256:
            return  # an earlier run has downloaded all of it
        if answer.status == HTTPStatus.OK:
            part.restart(answer.getheader("ETag", ""))
        elif answer.status != HTTPStatus.PARTIAL_CONTENT or not _continues(answer, part):
            self._refused(answer, part)
        else:
            part.joined = True
        total = _total(answer, part)
        require_room(part, self.label, total or 0, self.allowed)
        while content := answer.read1(_PIECE):
            require_room(part, self.label, part.size + len(content), self.allowed)
            part.append(content)
            if self.progress:
                self.progress(part.size, max(total or 0, part.size))
        if total is not None and part.size < total:
            raise _Interrupted(f"it ended after {part.size} of {total} bytes")

    def _refused(self, answer: http.client.HTTPResponse, part: PartFile) -> None:
        """Raises: _Interrupted if asking again may help, else SourceError."""
        status = answer.status
        if part.size and status in (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            part.restart()
            raise _Interrupted("the server has another file than the one whose download was interrupted")
        said = f"the server answers {status} {_phrase(status)}".rstrip()
        if status in _AGAIN:
            after = answer.getheader("Retry-After", "")
            raise _Interrupted(said, float(after) if re.fullmatch(r"[0-9]{1,4}", after) else 0.0)
        raise SourceError(f"{self.label} cannot be downloaded: {said}", "correct the address, or put the image there")


def require_room(part: PartFile, label: str, size: int, allowed: DownloadLimits) -> None:
    """Raises: SourceError if a file of this size may not be downloaded; ProviderError if there is no space for it."""
    if size > allowed.image:
        raise SourceError(
            f"{label} is larger than {allowed.image / (1 << 30):g} GiB, the most that is downloaded",
            "use another image; or raise `downloads.largestGiB` in the settings of whoever runs this",
        )
    if size - part.size > part.free():
        raise part.no_space(size - part.size)


def _ask(connection: CheckedConnection, url: SplitResult, part: PartFile) -> http.client.HTTPResponse:
    """Asks for what is missing of a file. Its content is taken as it is, whatever its encoding is said to be."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "gallery-reconciler"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.etag:
            headers["If-Range"] = part.etag
    connection.request("GET", url._replace(scheme="", netloc="", fragment="").geturl() or "/", headers=headers)
    return connection.getresponse()


def _continues(answer: http.client.HTTPResponse, part: PartFile) -> bool:
    """Whether a partial answer begins where the part ends."""
    match = _RANGE.fullmatch(answer.getheader("Content-Range", ""))
    return match is not None and int(match[1]) == part.size and part.size > 0


def _total(answer: http.client.HTTPResponse, part: PartFile) -> int | None:
    """The size that the file will have; None if the answer does not say."""
    match = _RANGE.fullmatch(answer.getheader("Content-Range", ""))
    if answer.status == HTTPStatus.PARTIAL_CONTENT and match is not None and match[3] != "*":
        return int(match[3])
    return part.size + answer.length if answer.length is not None else None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
