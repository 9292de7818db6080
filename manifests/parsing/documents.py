"""Documents from parser events: every scalar stays the string that was written, and nothing is dropped silently."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.manifests.diagnostics import Position
from reconciler.manifests.parsing.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    YAMLError,
    event_source,
    explain,
)
from reconciler.manifests.problems import InvalidInput, Problem
from reconciler.manifests.resource import Origin
from reconciler.manifests.words import quoted, suggestion

DEEPEST = 40
ALIAS_BUDGET = 10_000
PROBLEMS_PER_FILE = 200
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_VALUE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it was written: mappings, lists and strings. `origin` is the place of its first line."""

    origin: Origin
    data: Any


class _Stop(Exception):
    """Ends the reading of a file early."""


def build_documents(name: str, text: str, values: Mapping[str, str] | None) -> tuple[list[Document], list[Problem]]:
    """The documents of the file `name`, empty ones left out, and every problem found in it.

    `${values.NAME}` is replaced from `values`; with None strings stay as they are.
    """
    builder = _Builder(name, text, values)
    try:
        builder.run()
    except _Stop:
        pass
    except YAMLError as cause:
        summary, detail, line, column = explain(cause, text)
        builder.problems.append(Problem(Origin(name, line), (), summary, detail, position=Position(name, line, column)))
    return builder.documents, builder.problems


def replace_values(text: str, values: Mapping[str, str]) -> str:
    """`text` with `${values.NAME}` replaced and `$${` turned into `${`.

    Raises: InvalidInput when a value is not declared.
    """

    def value_of(match: re.Match[str]) -> str:
        inside = match[1]
        if inside is None:
            return "${"
        name = inside.removeprefix("values.")
        if name == inside or not match[0].endswith("}"):
            raise InvalidInput(
                f"{quoted(match[0])} is not a valid reference", "write ${values.NAME}, or $${ for a literal ${"
            )
        if name not in values:
            raise InvalidInput(
                f"unknown value {quoted(name)}", suggestion(name, sorted(values), label="declared values")
            )
        return values[name]

    return _VALUE.sub(value_of, text)


class _Builder:
    """Reads the events of one file; `documents` and `problems` are the result."""

    def __init__(self, name: str, text: str, values: Mapping[str, str] | None) -> None:
        self.name = name
        self.next: Callable[[], Any] = event_source(text)
        self.values = values
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.expanded = 0

    def run(self) -> None:
        while True:
            event = self.next()
            if type(event) is StreamEndEvent:
                return
            if type(event) is DocumentStartEvent:
                self.anchors = {}
                root = self.next()
                data = self.node(root, 0)
                if data is not None:
                    self.documents.append(Document(Origin(self.name, root.start_mark.line + 1), data))

    def node(self, event: Any, depth: int) -> Any:
        """The value that begins with `event`: a dict, a list, a string, or None when it is not set."""
        if type(event) is AliasEvent:
            return self.alias(event)
        if event.tag is not None:
            self.problem(
                event, f"the tag {quoted(event.tag)} is not supported", "remove it: the schema determines the types"
            )
        if type(event) is ScalarEvent:
            value: Any = self.scalar(event)
        elif depth >= DEEPEST:
            self.problem(
                event, f"is nested more than {DEEPEST} levels deep", "remove some levels: no manifest needs that many"
            )
            raise _Stop
        elif type(event) is MappingStartEvent:
            value = self.mapping(depth + 1)
        else:
            value = self.sequence(depth + 1)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, _size(value))
        return value

    def mapping(self, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        unset = []
        while True:
            event = self.next()
            if type(event) is MappingEndEvent:
                break
            key = self.key(event, depth)
            value = self.node(self.next(), depth)
            if key is None:
                continue
            if key in mapping:
                self.problem(event, f"duplicate key {quoted(key)}", "keep one of the two")
                continue
            mapping[key] = value
            if value is None:
                unset.append(key)
        for key in unset:
            del mapping[key]
        return mapping

    def key(self, event: Any, depth: int) -> str | None:
        """The text of a key; None, with a problem, when it is not usable as one."""
        if type(event) is not ScalarEvent:
            self.node(event, depth)
            self.problem(event, "a key must be a plain string", "write NAME: VALUE")
            return None
        if event.value == "<<" and event.implicit[0]:
            self.problem(event, "merge keys (<<) are not supported", "write the keys out, or use versionDefaults")
            return None
        key: str = event.value
        if event.tag is not None or event.anchor is not None or "${" in key or not key.isprintable():
            self.problem(
                event,
                f"the key {quoted(key)} must be a plain string",
                "remove tags, anchors, ${} and control characters",
            )
            return None
        return key

    def sequence(self, depth: int) -> list[Any]:
        entries: list[Any] = []
        while True:
            event = self.next()
            if type(event) is SequenceEndEvent:
                return entries
            entries.append(self.node(event, depth))

    def scalar(self, event: Any) -> str | None:
        text: str = event.value
        if event.implicit[0] and text in _NULLS:
            return None
        if not text.isprintable() and _unusable(text):
            self.problem(
                event, f"{quoted(text)} contains characters that are not allowed", "remove the control characters"
            )
            return ""
        if "${" in text and self.values is not None:
            try:
                return replace_values(text, self.values)
            except InvalidInput as invalid:
                self.problem(event, invalid.summary, invalid.detail)
        return text

    def alias(self, event: Any) -> Any:
        if event.anchor not in self.anchors:
            self.problem(
                event, f"undefined alias '*{event.anchor}'", f"an alias must come after its anchor, &{event.anchor}"
            )
            return None
        value, size = self.anchors[event.anchor]
        self.expanded += size
        if self.expanded > ALIAS_BUDGET:
            self.problem(
                event,
                "aliases in this file expand to too many values",
                f"at most {ALIAS_BUDGET:,} are allowed: write the repeated parts out",
            )
            raise _Stop
        return value

    def problem(self, event: Any, summary: str, detail: str) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        self.problems.append(
            Problem(Origin(self.name, line), (), summary, detail, position=Position(self.name, line, column))
        )
        if len(self.problems) >= PROBLEMS_PER_FILE:
            raise _Stop


def _size(value: Any) -> int:
    """How much an alias repeats: a value, the values in it, and long strings by their length."""
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_size, value))
    return 1 + len(value or "") // 100


def _unusable(text: str) -> bool:
    """Whether there are control characters besides line breaks and tabs, or lone surrogates."""
    return any(
        (char < " " and char not in "\n\r\t") or "\x7f" <= char < "\x85" or "\ud800" <= char <= "\udfff"
        for char in text
    )
