"""YAML text as parser events, from libyaml where PyYAML was built with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from reconciler.manifests.problems import InvalidInput

__all__ = [
    "AliasEvent",
    "DocumentEndEvent",
    "DocumentStartEvent",
    "MappingEndEvent",
    "MappingStartEvent",
    "ScalarEvent",
    "SequenceEndEvent",
    "SequenceStartEvent",
    "StreamEndEvent",
    "StreamStartEvent",
    "YAMLError",
    "decode",
    "event_source",
    "explain",
]


def event_source(text: str) -> Callable[[], Any]:
    """A function that returns the next event of `text` at each call.

    PyYAML can be installed without its C extension (when libyaml was missing at build time): the parser written
    in Python then does the same work about ten times slower.
    """
    try:
        from yaml._yaml import CParser
    except ImportError:
        from yaml import SafeLoader

        python_parser: Callable[[], Any] = SafeLoader(text).get_event
        return python_parser
    c_parser: Callable[[], Any] = CParser(text).get_event
    return c_parser


def decode(content: bytes) -> str:
    """The text of UTF-8 `content`, a byte order mark removed. Raises: BadEncoding."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        before = content[: cause.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8-sig", "replace")) + 1
        utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        raise BadEncoding(before.count(b"\n") + 1, column, content[cause.start], utf16=utf16) from cause


class BadEncoding(InvalidInput):
    """Bytes that are not UTF-8; `line` and `column` count from 1."""

    def __init__(self, line: int, column: int, byte: int, *, utf16: bool) -> None:
        guess = "it looks like UTF-16: " if utf16 else ""
        super().__init__(f"is not UTF-8 text: byte 0x{byte:02x}", f"{guess}save the file as UTF-8")
        self.line = line
        self.column = column


def explain(problem: YAMLError, text: str) -> tuple[str, str, int, int]:
    """What the parser rejects: summary, what to do, line and column from 1 (0 when unknown)."""
    if isinstance(problem, MarkedYAMLError):
        mark = problem.problem_mark or problem.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        context = f"{problem.context}: " if problem.context else ""
        return f"is not valid YAML: {context}{problem.problem}", _advice(str(problem.problem), text, line), line, column
    offset = min(max(getattr(problem, "position", 0), 0), len(text))
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    reason = getattr(problem, "reason", "it cannot be read")
    return f"is not valid YAML: {reason}", "only text belongs in a manifest: is it a binary file?", line, column


def _advice(problem: str, text: str, line: int) -> str:
    lines = text.splitlines()
    if "\t" in (lines[line - 1] if 0 < line <= len(lines) else ""):
        return "YAML is indented with spaces, not tabs"
    if "undefined alias" in problem:
        return "define the anchor with '&' before its alias; quote a string that just starts with '*'"
    if "mapping values are not allowed" in problem:
        return "quote strings that contain ': ', and indent all keys of a mapping equally"
    return "check the indentation, and quote strings that contain special characters"
