"""Finding the manifest files of a project: files, folders and globs, none of which leads out of what may be read.

Links are followed as long as they stay inside; one that leads out is refused, whatever is there, and nothing is listed
there. What one project makes this program walk through is limited: whoever wrote the patterns may be a stranger.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from reconciler.manifests.diagnostics import Diagnostic, Position, warning
from reconciler.manifests.parsing.files import PROJECT_FILE
from reconciler.manifests.problems import InvalidInput, Problem
from reconciler.manifests.resource import Origin
from reconciler.manifests.trust import resolved_inside
from reconciler.manifests.words import quoted

MOST_PATTERNS = 1_000
MOST_PARTS = 40
MOST_FOLDERS = 20_000
MOST_ENTRIES = 200_000
MOST_FILES = 20_000
MOST_LINKS = 1_000
_ANY_DEPTH = "**"
_SUFFIXES = (".yaml", ".yml")
_LOOKS_LIKE_ONE = re.compile(r"\.(ya?ml|yalm|ymal)(\.\w+)?$|(?<!schema)\.json$", re.IGNORECASE)
"""Names that people may take for those of manifests: other spellings, and copies that an editor or a person made."""


class ManifestFiles(NamedTuple):
    """The names of the manifest files, sorted, what is wrong with the patterns, and the files in the same folders that
    look like manifests and are not read, sorted."""

    names: list[str]
    problems: list[Problem]
    unread: list[str]


def manifest_files(directory: Path, patterns: tuple[str, ...], roots: tuple[str, ...]) -> ManifestFiles:
    """The manifest files that `patterns` (files, folders, globs) find, all of them inside `roots`."""
    search = _Search(directory, roots)
    problems = []
    for index, pattern in enumerate(patterns):
        try:
            search.find(pattern, index)
        except InvalidInput as invalid:
            problems.append(
                Problem(Origin(PROJECT_FILE, 0), ("manifests", index), f"manifests: {invalid.summary}", invalid.detail)
            )
            if isinstance(invalid, _TooMuch):
                break
    search.names.discard(PROJECT_FILE)
    return ManifestFiles(sorted(search.names), problems, sorted(search.unread - search.names))


def unread_warnings(unread: Iterable[str]) -> tuple[Diagnostic, ...]:
    """A warning for each file that looks like a manifest and is not read."""
    return tuple(
        warning(
            "this file is not read",
            "manifests are files that end in .yaml or .yml: rename it, or move it to another folder",
            position=Position(name),
        )
        for name in unread
    )


class _TooMuch(InvalidInput):
    """A limit of the whole search was reached: nothing more is looked for."""


@dataclass(slots=True)
class _Folder:
    """A folder to look through: its path without links, its name from the project, and how much of the pattern is
    already matched there: numbers of parts that may come next."""

    real: str
    name: str
    next: frozenset[int]

    def inside(self, name: str, real: str, following: frozenset[int]) -> _Folder:
        return _Folder(real, self.name_of(name), following)

    def name_of(self, entry: str) -> str:
        return f"{self.name}/{entry}" if self.name != "." else entry


@dataclass(slots=True)
class _Search:
    """All that is found for one project: `names` of manifests and `unread` ones, and what it took so far."""

    directory: Path
    roots: tuple[str, ...]
    names: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    folders: int = 0
    entries: int = 0
    links: int = 0

    def find(self, pattern: str, index: int) -> None:
        """Adds what one pattern finds. Raises: InvalidInput."""
        _refuse_unusable(pattern, index)
        beginning, parts = _split(pattern)
        path = os.path.join(self.directory, beginning)
        real = resolved_inside(path, self.roots, shown=pattern)
        if parts:
            if not self._walk(path, real, parts):
                raise InvalidInput(f"no .yaml or .yml file matches {quoted(pattern)}", "fix the pattern or remove it")
        elif os.path.isdir(real) and not pattern.endswith(_SUFFIXES):
            self._walk(path, real, (_ANY_DEPTH,), folder=True)
        elif os.path.lexists(path):
            self._add(_name(self.directory, path))
        else:
            raise InvalidInput(
                f"{quoted(pattern)} does not exist", f"create it, or name the files to load in {PROJECT_FILE}"
            )

    def _walk(self, path: str, real: str, parts: tuple[str, ...], *, folder: bool = False) -> bool:
        """Adds the files below a folder that match; returns whether there were any. `folder`: the pattern names one,
        and files in it that look like manifests are noted. Each folder is looked through once for the same parts."""
        matching = _Matching(parts)
        waiting = [_Folder(real, _name(self.directory, path), matching.from_start())]
        linked: list[_Folder] = []  # after all others: what is found twice has its own name, not that of a link
        seen: set[tuple[str, frozenset[int]]] = set()
        found = False
        while waiting or linked:
            here = (waiting or linked).pop()
            if (here.real, here.next) in seen:
                continue
            seen.add((here.real, here.next))
            for entry in self._listed(here, missing_ok=not folder):
                matched, following = matching.after(here.next, entry.name)
                if matched and entry.name.endswith(_SUFFIXES):
                    self._count_link(entry)
                    self._add(here.name_of(entry.name))
                    found = True
                elif following and (inner := self._real_folder(here, entry)):
                    (linked if entry.is_symlink() else waiting).append(here.inside(entry.name, inner, following))
                elif matched and folder and _LOOKS_LIKE_ONE.search(entry.name):
                    self.unread.add(here.name_of(entry.name))
        return found

    def _add(self, name: str) -> None:
        self.names.add(name)
        if len(self.names) > MOST_FILES:
            raise _TooMuch(
                f"there are more than {MOST_FILES:,} files",
                "put several documents into one file, with --- between them",
            )

    def _listed(self, folder: _Folder, *, missing_ok: bool) -> Iterator[os.DirEntry[str]]:
        """What is in a folder, counted. Raises: InvalidInput."""
        self.folders += 1
        if self.folders > MOST_FOLDERS:
            raise _TooMuch(f"the patterns lead through more than {MOST_FOLDERS:,} folders", _NARROW)
        try:
            with os.scandir(folder.real) as entries:
                for entry in entries:
                    self.entries += 1
                    if self.entries > MOST_ENTRIES:
                        raise _TooMuch(f"the patterns lead past more than {MOST_ENTRIES:,} files", _NARROW)
                    yield entry
        except (FileNotFoundError, NotADirectoryError) as cause:
            if not missing_ok:
                raise _not_listed(folder.name, cause) from cause
        except OSError as cause:
            raise _not_listed(folder.name, cause) from cause

    def _real_folder(self, above: _Folder, entry: os.DirEntry[str]) -> str:
        """The path without links of an entry that is a folder; empty for anything else. Raises: InvalidInput."""
        if not entry.is_symlink():
            return os.path.join(above.real, entry.name) if entry.is_dir(follow_symlinks=False) else ""
        self._count_link(entry)
        real = resolved_inside(os.path.join(above.real, entry.name), self.roots, shown=above.name_of(entry.name))
        return real if os.path.isdir(real) else ""

    def _count_link(self, entry: os.DirEntry[str]) -> None:
        self.links += entry.is_symlink()
        if self.links > MOST_LINKS:
            raise _TooMuch(f"the patterns lead through more than {MOST_LINKS:,} links", _NARROW)


_NARROW = f"name the folders that hold the manifests in {PROJECT_FILE}"


class _Matching:
    """A glob below its fixed beginning, one part for each level; `**` stands for any number of folders.

    Hidden names match only a part that begins with a dot.
    """

    def __init__(self, parts: tuple[str, ...]) -> None:
        self._parts = parts
        self._patterns = [re.compile(fnmatch.translate(part)) for part in parts]

    def from_start(self) -> frozenset[int]:
        """The parts that the first level may match."""
        return self._reached({0})

    def after(self, following: frozenset[int], name: str) -> tuple[bool, frozenset[int]]:
        """Whether a name ends the pattern where those parts follow, and the parts that follow it if it is a folder."""
        matched, further = False, set()
        for index in following:
            part = self._parts[index]
            if name.startswith(".") and not part.startswith("."):
                continue
            if part == _ANY_DEPTH:
                further.add(index)
                matched = matched or index + 1 == len(self._parts)
            elif self._patterns[index].match(name):
                further.add(index + 1)
                matched = matched or index + 1 == len(self._parts)
        return matched, self._reached(further)

    def _reached(self, parts: set[int]) -> frozenset[int]:
        """With those after each `**`, which may stand for no folder at all."""
        reached = set()
        for index in parts:
            while index < len(self._parts):
                reached.add(index)
                if self._parts[index] != _ANY_DEPTH:
                    break
                index += 1
        return frozenset(reached)


def _refuse_unusable(pattern: str, index: int) -> None:
    if index >= MOST_PATTERNS:
        raise _TooMuch(f"there are more than {MOST_PATTERNS:,} patterns", _NARROW)
    if "\0" in pattern or not pattern:
        raise InvalidInput(f"{quoted(pattern)} is not a path", "write a file, a folder or a glob such as images/*.yaml")
    if pattern.count("/") >= MOST_PARTS:
        raise InvalidInput(f"{quoted(pattern)} has more than {MOST_PARTS} parts", "write a shorter path")


def _split(pattern: str) -> tuple[str, tuple[str, ...]]:
    """The beginning of a pattern that has no wildcards, and the parts from the first one on; none for a plain path."""
    written = pattern.split("/")
    first = next((index for index, part in enumerate(written) if glob.has_magic(part)), None)
    if first is None:
        return pattern, ()
    parts: list[str] = []
    for part in written[first:]:
        if part == "..":
            raise InvalidInput(f"{quoted(pattern)} has '..' after a wildcard", "write the path without it")
        if part not in ("", ".") and not (part == _ANY_DEPTH and parts[-1:] == [_ANY_DEPTH]):
            parts.append(part)
    beginning = "/".join(written[:first])
    return beginning or ("/" if pattern.startswith("/") else "."), tuple(parts)


def _name(directory: Path, path: str) -> str:
    return os.path.relpath(path, directory).replace(os.sep, "/")


def _not_listed(name: str, cause: OSError) -> InvalidInput:
    return InvalidInput(f"{quoted(name)} cannot be listed: {cause.strerror}", "check that the folder is readable")
