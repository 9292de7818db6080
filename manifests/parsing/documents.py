"""Documents from parser events: every scalar stays the string that was written, and nothing is dropped silently."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from reconciler.manifests.diagnostics import Position
from reconciler.manifests.parsing.budget import MOST_ALIASED, MOST_VALUES, MOST_VALUES_IN_DOCUMENT, Budget, OverBudget
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
PROBLEMS_PER_FILE = 200
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_UNUSABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no string of a manifest may hold, names and texts alike: control characters besides line breaks and tabs, line
and paragraph separators, overrides and isolates of the writing direction, lone surrogates. None is needed to write any
language, and whoever reviews a manifest would not see what it says. Joiners and direction marks, which Persian, Hindi
or Hebrew need, are kept; they are escaped where they are shown.
"""
_VALUE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it was written: mappings, lists and strings. `origin` is the place of its first line."""

    origin: Origin
    data: Any


class _Stop(Exception):
    """Ends the reading of a file early."""


class _Anchored(NamedTuple):
    """What an anchor names, and how much an alias of it repeats."""

    value: Any
    values: int
    characters: int


def build_documents(
    name: str, text: str, values: Mapping[str, str] | None, budget: Budget
) -> tuple[list[Document], list[Problem]]:
    """The documents of the file `name`, empty ones left out, and every problem found in it.

    `${values.NAME}` is replaced from `values`; with None strings stay as they are. What is read counts in `budget`;
    the problems say so when it is spent.
    """
    builder = _Builder(name, text, values, budget)
    try:
        builder.run()
    except _Stop:
        pass
    except YAMLError as cause:
        summary, detail, line, column = explain(cause, text)
        builder.problems.append(Problem(Origin(name, line), (), summary, detail, position=Position(name, line, column)))
    return builder.documents, builder.problems


def replace_values(text: str, values: Mapping[str, str], budget: Budget) -> str:
    """`text` with `${values.NAME}` replaced and `$${` turned into `${`. `values` are in the order of their names.

    Raises: InvalidInput when a value is not declared; OverBudget when too much is put in place.
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
            raise InvalidInput(f"unknown value {quoted(name)}", suggestion(name, values, label="declared values"))
        value = values[name]
        budget.repeat(len(value))
        return value

    return _VALUE.sub(value_of, text)


class _Builder:
    """Reads the events of one file; `documents` and `problems` are the result."""

    def __init__(self, name: str, text: str, values: Mapping[str, str] | None, budget: Budget) -> None:
        self.name = name
        self.next: Callable[[], Any] = event_source(text)
        self.values = values
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self.anchors: dict[str, _Anchored] = {}
        self.aliased = 0
        self.budget = budget
        self.read = 0
        self.most = 0
        self.characters = 0

    def run(self) -> None:
        while True:
            event = self.next()
            if type(event) is StreamEndEvent:
                return
            if type(event) is DocumentStartEvent:
                self.within_budget(event, self.budget.document)
                self.document(self.next())

    def document(self, root: Any) -> None:
        self.anchors = {}
        self.read, self.most = 0, min(MOST_VALUES_IN_DOCUMENT, MOST_VALUES - self.budget.values)
        data = self.node(root, 0)
        self.budget.values += self.read
        if data is not None:
            self.documents.append(Document(Origin(self.name, root.start_mark.line + 1), data))

    def node(self, event: Any, depth: int) -> Any:
        """The value that begins with `event`: a dict, a list, a string, or None when it is not set."""
        if type(event) is AliasEvent:
            return self.alias(event)
        read, characters = self.read, self.characters
        self.count(event, 1)
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
            self.anchors[event.anchor] = _Anchored(value, self.read - read, self.characters - characters)
        return value

    def count(self, event: Any, values: int) -> None:
        """So many more values."""
        self.read += values
        if self.read > self.most:
            over = self.budget.too_many_values(in_document=self.most == MOST_VALUES_IN_DOCUMENT)
            self.problem(event, over.summary, over.detail)
            raise _Stop

    def within_budget(self, event: Any, counting: Callable[[], None]) -> None:
        """Counts something; reading ends at `event` when it is too much."""
        try:
            counting()
        except OverBudget as over:
            self.problem(event, over.summary, over.detail)
            raise _Stop from over

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
        refused = None if text.isprintable() else _UNUSABLE.search(text)
        if refused:
            self.problem(
                event,
                f"{quoted(text)} contains {refused[0]!a}, a character that is not allowed",
                "remove it: control characters, line separators and marks that reorder a line are refused",
            )
            return ""
        if "${" in text and self.values is not None:
            text = self.replaced(event, text, self.values)
        self.characters += len(text)
        return text

    def replaced(self, event: Any, text: str, values: Mapping[str, str]) -> str:
        """`text` with values replaced; as it is, with a problem, when that is not possible."""
        try:
            return replace_values(text, values, self.budget)
        except InvalidInput as invalid:
            self.problem(event, invalid.summary, invalid.detail)
            if isinstance(invalid, OverBudget):
                raise _Stop from invalid
        return text

    def alias(self, event: Any) -> Any:
        if event.anchor not in self.anchors:
            self.problem(
                event, f"undefined alias '*{event.anchor}'", f"an alias must come after its anchor, &{event.anchor}"
            )
            return None
        anchored = self.anchors[event.anchor]
        self.aliased += anchored.values + anchored.characters // 100
        if self.aliased > MOST_ALIASED:
            self.problem(
                event,
                "aliases in this file expand to too many values",
                f"at most {MOST_ALIASED:,} are allowed: write the repeated parts out",
            )
            raise _Stop
        self.count(event, anchored.values)
        self.characters += anchored.characters
        self.within_budget(event, lambda: self.budget.repeat(anchored.characters))
        return anchored.value

    def problem(self, event: Any, summary: str, detail: str) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        self.problems.append(
            Problem(Origin(self.name, line), (), summary, detail, position=Position(self.name, line, column))
        )
        if len(self.problems) == PROBLEMS_PER_FILE:
            self.problem(event, "the rest of this file is not read", "fix the problems before this line first")
            raise _Stop
