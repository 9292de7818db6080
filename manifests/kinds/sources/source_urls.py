"""The addresses that a `source: {url}` may have: pure rules, shared by manifests and by what downloads."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from reconciler.manifests.problems import InvalidInput

HTTPS_PATTERN = r"https://[A-Za-z0-9.\[\]:-]+/[^\s?#@]*"
"""The shape of an https address in the JSON schema; `require_source_url` says more."""

_LONGEST = 2000
_PRINTABLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+")
_SHAPE = "write https://HOST/PATH, or file:///PATH for a folder that the settings of whoever runs this name"


def require_source_url(text: str) -> SplitResult:
    """The parts of an address that a manifest may name: `https://HOST/PATH` or `file:///PATH`.

    It has no user, password, query or fragment, so that no secret can be in it: addresses are shown in plans and kept
    in the state. Messages do not repeat it. Raises: InvalidInput.
    """
    parts = _split(text)
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise InvalidInput(
            "has a url with a query or a fragment, which may hold a secret and would be shown in plans",
            "write the address without `?` and `#`, and put the image where it can be fetched without a signature",
        )
    if parts.path.lower().endswith(".ovf"):
        raise InvalidInput("has a url of an OVF, whose disks are in other files", "give the address of an OVA")
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/") or "\0" in unquote(parts.path):
            raise InvalidInput("has a url that is not the path of a file", "write file:///FOLDER/IMAGE")
        return parts
    require_https(parts)
    if parts.path in ("", "/"):
        raise InvalidInput("has a url without a path", _SHAPE)
    return parts


def require_redirect_url(text: str) -> SplitResult:
    """The parts of an address that a server redirects to: https without user and password; it may have a query.

    Raises: InvalidInput, whose text does not repeat the address.
    """
    parts = _split(text)
    require_https(parts)
    return parts


def require_https(parts: SplitResult) -> None:
    """Raises: InvalidInput unless this is https to a host, without user and password."""
    if parts.scheme != "https":
        raise InvalidInput("has a url that is not https", _SHAPE)
    if "@" in parts.netloc:
        raise InvalidInput("has a url with a user or password", "remove it: images are downloaded without credentials")
    if not _HOST.fullmatch(parts.hostname or "") or not _has_valid_port(parts):
        raise InvalidInput("has a url without a valid host", _SHAPE)


def _split(text: str) -> SplitResult:
    if len(text) > _LONGEST:
        raise InvalidInput(f"has a url of {len(text)} characters", f"allowed: at most {_LONGEST}")
    if not _PRINTABLE.fullmatch(text) or "\\" in text:
        raise InvalidInput(
            "has a url with characters that no address has", "percent-encode blanks, backslashes and non-ASCII letters"
        )
    try:
        return urlsplit(text)
    except ValueError as error:
        raise InvalidInput("has a url that cannot be read", _SHAPE) from error


def _has_valid_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False
