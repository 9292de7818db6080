"""Line and column of a path in a document, looked up on demand by reading its file again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from reconciler.manifests.diagnostics import Position
from reconciler.manifests.parsing.budget import MOST_LINES, MOST_VALUES
from reconciler.manifests.parsing.files import read_file
from reconciler.manifests.problems import DocumentPath, InvalidInput, Problem
from reconciler.manifests.resource import Origin
from reconciler.manifests.trust import Trust

LONGEST_LINE = 200


def locate(directory: Path, origin: Origin, path: DocumentPath, trust: Trust | None = None) -> Position:
    """The position of `path` in the document that begins at `origin`, or of the nearest container that exists.

    The document's first line when the file is gone or no longer holds such a document. `path` consists of property
    names and list indexes, as they are written in the file. An origin of line 0 means the only document of the file.
    """
    return Locator(directory, trust).locate(origin, path)


_Inside: TypeAlias = "Mapping[str | int, _Node]"
_NOTHING: _Inside = MappingProxyType({})


@dataclass(slots=True)
class _Node:
    """A place, and the places inside it by key or index."""

    line: int
    column: int
    inside: _Inside


class _File:
    """A file as it is now; empty when it cannot be read. It is parsed only when a path is looked up."""

    def __init__(self, directory: Path, name: str, roots: tuple[str, ...]) -> None:
        self._name = name
        try:
            self.text = read_file(directory / name, roots).decode("utf-8-sig", "replace")
        except InvalidInput:
            self.text = ""

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines() if self.text.count("\n") <= MOST_LINES else []

    @cached_property
    def documents(self) -> Mapping[int, _Node]:
        return _documents(self.text)

    @cached_property
    def shown(self) -> bool:
        """Whether errors may quote it: see `disclosure`."""
        from reconciler.manifests.parsing.disclosure import may_be_shown

        return not self.text or may_be_shown(self._name, self.text)


class Locator:
    """Looks up positions; reads each file once."""

    def __init__(self, directory: Path, trust: Trust | None = None) -> None:
        self._directory = directory
        self._roots = (trust or Trust()).roots(directory)
        self._files: dict[str, _File] = {}

    def position(self, problem: Problem) -> Position:
        return problem.position or self.locate(problem.origin, problem.path)

    def locate(self, origin: Origin, path: DocumentPath) -> Position:
        if not origin.line and not path:
            return Position(origin.file)
        documents = self._file(origin.file).documents
        node = documents.get(origin.line)
        if node is None and path and not origin.line and len(documents) == 1:
            node = next(iter(documents.values()))
        if node is None:
            return Position(origin.file, origin.line)
        for part in path:
            inner = node.inside.get(part)
            if inner is None:
                break
            node = inner
        return Position(origin.file, node.line, node.column)

    def line(self, position: Position) -> str:
        """The text of the line, truncated when it is very long; empty when there is none."""
        if not position.line or not self.may_be_shown(position.file):
            return ""
        lines = self._file(position.file).lines
        line = lines[position.line - 1] if position.line <= len(lines) else ""
        shown = line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"
        return "".join(char if char.isprintable() else " " for char in shown)

    def may_be_shown(self, name: str) -> bool:
        """Whether errors may quote this file: see `disclosure`."""
        return self._file(name).shown

    def _file(self, name: str) -> _File:
        if name not in self._files:
            self._files[name] = _File(self._directory, name, self._roots)
        return self._files[name]


def _documents(text: str) -> dict[int, _Node]:
    """The documents of a file by first line, as far as it can be parsed."""
    from reconciler.manifests.parsing.events import DocumentStartEvent, StreamEndEvent, YAMLError, event_source

    documents: dict[int, _Node] = {}
    next_event = event_source(text)
    reader = _Reader(next_event)
    try:
        while True:
            event = next_event()
            if type(event) is StreamEndEvent:
                return documents
            if type(event) is DocumentStartEvent:
                root = next_event()
                documents[root.start_mark.line + 1] = reader.document(root)
    except (YAMLError, _TooMuch):
        return documents


class _TooMuch(Exception):
    """Nested more deeply than a manifest that loads, or with more values."""


class _Reader:
    """Builds the places of the documents of one file."""

    def __init__(self, next_event: Any) -> None:
        self._next = next_event
        self._anchors: dict[str, _Node] = {}
        self._left = 2 * MOST_VALUES  # keys are nodes as well

    def document(self, root: Any) -> _Node:
        self._anchors = {}
        return self.node(root, 0)

    def node(self, event: Any, depth: int) -> _Node:
        from reconciler.manifests.parsing.documents import DEEPEST
        from reconciler.manifests.parsing.events import AliasEvent, MappingStartEvent, SequenceStartEvent

        self._left -= 1
        if depth > DEEPEST or self._left < 0:
            raise _TooMuch
        node = _Node(event.start_mark.line + 1, event.start_mark.column + 1, _NOTHING)
        if isinstance(event, AliasEvent):
            node.inside = self._anchors[event.anchor].inside if event.anchor in self._anchors else _NOTHING
            return node
        if isinstance(event, MappingStartEvent):
            node.inside = self._mapping(depth + 1)
        elif isinstance(event, SequenceStartEvent):
            node.inside = self._sequence(depth + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _mapping(self, depth: int) -> dict[str | int, _Node]:
        from reconciler.manifests.parsing.events import MappingEndEvent, ScalarEvent

        inside: dict[str | int, _Node] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            key = self.node(event, depth)
            value = self.node(self._next(), depth)
            if isinstance(event, ScalarEvent):
                inside.setdefault(event.value, _Node(key.line, key.column, value.inside))
        return inside

    def _sequence(self, depth: int) -> dict[str | int, _Node]:
        from reconciler.manifests.parsing.events import SequenceEndEvent

        inside: dict[str | int, _Node] = {}
        while not isinstance(event := self._next(), SequenceEndEvent):
            inside[len(inside)] = self.node(event, depth)
        return inside
