"""Strict parsing of requests: paths, queries and JSON that could be read in two ways are refused.

Source: RFC 3986, 6 (equal paths in other spellings); RFC 8259 (JSON has neither NaN nor Infinity).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from reconciler.providers.emulator.core.arm import ArmError

MOST_BODY_BYTES = 4 * 1024 * 1024
_MOST_PATH_BYTES = 4096
_MOST_QUERY_BYTES = 4096
_MOST_PARAMETERS = 64
_DEEPEST_JSON = 64
_MOST_DIGITS = 400
_INT64 = 2**63
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NO_PARENT = re.compile(rb"(/providers/[^/]+)//(?=[^/])", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f/\\]")
_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One request as it arrived: `target` is its path, still encoded; header names are in lower case."""

    method: str
    target: bytes
    query_string: bytes
    headers: Mapping[str, str]
    body: bytes
    scheme: str = "https"

    @property
    def base_url(self) -> str:
        """The address under which the client reached us. Raises: ArmError for a Host header that names no host."""
        host = self.headers.get("host", "")
        if not _HOST.fullmatch(host):
            raise _bad("InvalidRequestHeader", "The Host header is missing or names no host.")
        return f"{self.scheme}://{host}"

    def path(self) -> str:
        """The decoded path. Raises: ArmError when a segment is empty, consists of dots, or contains a separator.

        The parent may be empty, as in `providers/Microsoft.Compute//disks`, which `az resource` sends.
        """
        if len(self.target) > _MOST_PATH_BYTES:
            raise _bad("InvalidRequestUri", f"The path of the request is longer than {_MOST_PATH_BYTES} bytes.")
        if not self.target.startswith(b"/") or _ESCAPE.search(self.target):
            raise _bad("InvalidRequestUri", "The path of the request is not well-formed.")
        if self.target == b"/":
            return "/"
        target = _NO_PARENT.sub(rb"\1/", self.target)
        return "/" + "/".join(_segment(segment) for segment in target[1:].removesuffix(b"/").split(b"/"))

    def query(self) -> dict[str, str]:
        """Parameters by name in lower case. Raises: ArmError when a name is repeated, or they cannot be parsed."""
        if len(self.query_string) > _MOST_QUERY_BYTES or _ESCAPE.search(self.query_string):
            raise _bad("InvalidRequestUri", "The query string is too long, or not well-formed.")
        try:
            text = self.query_string.decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
        except ValueError as error:
            raise _bad("InvalidRequestUri", "The query string cannot be read.") from error
        parameters: dict[str, str] = {}
        for name, value in pairs:
            if name.lower() in parameters:
                raise _bad("InvalidQueryParameter", f"The query parameter '{name}' is there more than once.", name)
            parameters[name.lower()] = value
        return parameters

    def json(self) -> Any:
        """The body of a write: an object, or None when it may be and is empty. Raises: ArmError for anything else."""
        if self.method not in ("PUT", "PATCH", "POST"):
            return None
        if not self.body:
            if self.method == "POST":
                return None
            raise _content("The request content is empty.")
        kind = self.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json" or "content-encoding" in self.headers:
            raise ArmError(
                415,
                "UnsupportedMediaType",
                "The content media type or encoding is not supported. Only 'application/json' is supported.",
            )
        value = _parsed(self.body)
        if not isinstance(value, dict):
            raise _content("The request content is not a JSON object.")
        return value


def read_json(body: bytes) -> Any:
    """Any JSON value. Raises: ArmError."""
    return _parsed(body)


def _segment(raw: bytes) -> str:
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad("InvalidRequestUri", "The path of the request is not UTF-8.") from error
    if text.strip() in ("", ".", "..") or _NOT_IN_NAMES.search(text):
        raise _bad("InvalidRequestUri", "The path of the request has a segment that cannot be a name.")
    return text


def _parsed(body: bytes) -> Any:
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_constant, parse_float=_float, parse_int=_int)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise _content(f"The request content was invalid and could not be deserialized: '{error}'.") from error
    _check_values(value)
    return value


def _constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value


def _int(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number has more than {_MOST_DIGITS} digits")
    return int(text)


def _check_values(value: Any) -> None:
    """Raises: ArmError for nesting, integers and characters that cannot be stored."""
    waiting = [(value, 1)]
    while waiting:
        current, depth = waiting.pop()
        if depth > _DEEPEST_JSON:
            raise _too_deep()
        if isinstance(current, dict):
            waiting += [(name, depth) for name in current]
            waiting += [(below, depth + 1) for below in current.values()]
        elif isinstance(current, list):
            waiting += [(below, depth + 1) for below in current]
        elif isinstance(current, str) and not _encodes(current):
            raise _content("The request content has half of a surrogate pair in a string.")
        elif isinstance(current, int) and not -_INT64 <= current < _INT64:
            raise _content("The request content has an integer of more than 64 bits.")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bad(code: str, message: str, target: str = "") -> ArmError:
    return ArmError(400, code, message, target)


def _content(message: str) -> ArmError:
    return _bad("InvalidRequestContent", message)


def _too_deep() -> ArmError:
    return _content(f"The request content is nested deeper than {_DEEPEST_JSON} levels.")
