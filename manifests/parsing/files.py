"""Reading the files of a project, and everything that can be wrong with a file before it is parsed."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from reconciler.manifests.problems import InvalidInput, Problem
from reconciler.manifests.resource import Origin
from reconciler.manifests.trust import open_inside

PROJECT_FILE = "reconciler.yaml"
LARGEST_FILE = 32 * 1024 * 1024
LARGEST_PROJECT = 32 * 1024 * 1024
"""Of all manifests together: up to there, loading them takes a limited time and amount of memory."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was read: `name` is relative to the project with '/' between parts, `content` its bytes."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def read_files(directory: Path, names: list[str], roots: tuple[str, ...]) -> tuple[list[SourceFile], list[Problem]]:
    """Every file that can be read, in order, and a Problem for each that cannot. They are inside `roots`, and together
    at most LARGEST_PROJECT bytes."""
    files: list[SourceFile] = []
    problems, total = [], 0
    for name in names:
        try:
            content = read_file(directory / name, roots)
        except InvalidInput as invalid:
            problems.append(Problem(Origin(name, 0), (), invalid.summary, invalid.detail))
            continue
        total += len(content)
        if total > LARGEST_PROJECT:
            problems.append(_too_large_together(name))
            break
        files.append(SourceFile(name, content))
    return files, problems


def _too_large_together(name: str) -> Problem:
    summary = f"the manifests up to this one are larger than {LARGEST_PROJECT // 2**20} MiB together"
    return Problem(Origin(name, 0), (), summary, "split the project into several: each has a state of its own")


def read_file(path: Path, roots: tuple[str, ...]) -> bytes:
    """The bytes of a regular file of at most LARGEST_FILE bytes, which is inside one of `roots`. Raises: InvalidInput.

    What a link outside leads to is not opened.
    """
    try:
        descriptor = open_inside(path, roots)
        try:
            return _content(descriptor)
        finally:
            os.close(descriptor)
    except OSError as cause:
        raise InvalidInput(
            f"cannot be read: {cause.strerror or cause}", "check that the file exists and is readable"
        ) from cause


def _content(descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise InvalidInput("is a folder, not a file", "a manifest is a YAML file: rename the folder or move it away")
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInput("is not a regular file", "a manifest is a YAML file, not a pipe, socket or device")
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        size = max(status.st_size, len(content)) / 2**20
        raise InvalidInput(
            f"is too large: {size:.0f} MiB",
            f"the limit is {LARGEST_FILE // 2**20} MiB: is it a disk image? If not, split it",
        )
    return content
