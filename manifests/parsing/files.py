"""Finding and reading the files of a project, and everything that can be wrong with a file before it is parsed."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from reconciler.manifests.diagnostics import Diagnostic, Position, warning
from reconciler.manifests.problems import InvalidInput, Problem
from reconciler.manifests.resource import Origin
from reconciler.manifests.words import quoted

PROJECT_FILE = "reconciler.yaml"
LARGEST_FILE = 32 * 1024 * 1024
_SUFFIXES = (".yaml", ".yml")
_LOOKS_LIKE_ONE = re.compile(r"\.(ya?ml|yalm|ymal)(\.\w+)?$|(?<!schema)\.json$", re.IGNORECASE)
"""Names that people may take for those of manifests: other spellings, and copies that an editor or a person made."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was read: `name` is relative to the project with '/' between parts, `content` its bytes."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class ManifestFiles(NamedTuple):
    """The names of the manifest files, sorted, what is wrong with the patterns, and the files in the same folders that
    look like manifests and are not read, sorted."""

    names: list[str]
    problems: list[Problem]
    unread: list[str]


def manifest_files(directory: Path, patterns: tuple[str, ...]) -> ManifestFiles:
    """The manifest files that `patterns` (files, folders, globs) find."""
    names: set[str] = set()
    unread: set[str] = set()
    problems = []
    for index, pattern in enumerate(patterns):
        try:
            names.update(_matches(directory, pattern, unread))
        except InvalidInput as invalid:
            problems.append(
                Problem(Origin(PROJECT_FILE, 0), ("manifests", index), f"manifests: {invalid.summary}", invalid.detail)
            )
    names.discard(PROJECT_FILE)
    return ManifestFiles(sorted(names), problems, sorted(unread - names))


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


def read_files(directory: Path, names: list[str]) -> tuple[list[SourceFile], list[Problem]]:
    """Every file that can be read, in order, and a Problem for each that cannot."""
    files, problems = [], []
    for name in names:
        try:
            files.append(SourceFile(name, read_file(directory / name)))
        except InvalidInput as invalid:
            problems.append(Problem(Origin(name, 0), (), invalid.summary, invalid.detail))
    return files, problems


def read_file(path: Path) -> bytes:
    """The bytes of a regular file of at most LARGEST_FILE bytes. Raises: InvalidInput."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InvalidInput(
                "is a folder, not a file", "a manifest is a YAML file: rename the folder or move it away"
            )
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput("is not a regular file", "a manifest is a YAML file, not a pipe, socket or device")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as cause:
        raise InvalidInput(
            f"cannot be read: {cause.strerror or cause}", "check that the file exists and is readable"
        ) from cause
    if len(content) > LARGEST_FILE:
        size = max(status.st_size, len(content)) / 2**20
        raise InvalidInput(
            f"is too large: {size:.0f} MiB",
            f"the limit is {LARGEST_FILE // 2**20} MiB: is it a disk image? If not, split it",
        )
    return content


def _matches(directory: Path, pattern: str, unread: set[str]) -> list[str]:
    """The manifest files that one pattern finds; adds to `unread` what only looks like one."""
    if "\0" in pattern or not pattern:
        raise InvalidInput(f"{quoted(pattern)} is not a path", "write a file, a folder or a glob such as images/*.yaml")
    if glob.has_magic(pattern):
        return _glob(directory, pattern)
    path = directory / pattern
    if path.is_dir() and not pattern.endswith(_SUFFIXES):
        found = [_relative(directory, file) for file in _walk(os.path.join(directory, pattern), set())]
        unread.update(name for name in found if not name.endswith(_SUFFIXES))
        return [name for name in found if name.endswith(_SUFFIXES)]
    if not os.path.lexists(path):
        raise InvalidInput(
            f"{quoted(pattern)} does not exist", f"create it, or name the files to load in {PROJECT_FILE}"
        )
    return [_relative(directory, str(path))]


def _glob(directory: Path, pattern: str) -> list[str]:
    paths = glob.glob(os.path.join(glob.escape(str(directory)), pattern), recursive=True)
    files = [path for path in paths if path.endswith(_SUFFIXES)]
    if not files:
        raise InvalidInput(f"no .yaml or .yml file matches {quoted(pattern)}", "fix the pattern or remove it")
    return [_relative(directory, path) for path in files]


def _walk(folder: str, seen: set[str]) -> Iterator[str]:
    """All files below `folder` that are manifests or look like them, except hidden ones; a folder that links reach
    twice is entered once."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        entries = list(os.scandir(folder))
    except OSError as cause:
        raise InvalidInput(
            f"{quoted(folder)} cannot be listed: {cause.strerror}", "check that the folder is readable"
        ) from cause
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.name.endswith(_SUFFIXES):
            yield entry.path
        elif entry.is_dir():
            yield from _walk(entry.path, seen)
        elif _LOOKS_LIKE_ONE.search(entry.name):
            yield entry.path


def _relative(directory: Path, path: str) -> str:
    return os.path.relpath(path, directory).replace(os.sep, "/")
