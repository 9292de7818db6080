"""The hidden file that distinguishes a region's directory from another one in its place."""

from __future__ import annotations

import contextlib
import os

from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.effects import create_file, create_whole, link_or_rename, unlink
from reconciler.providers.owner import Writer

MARKER = ".reconciler-place"
_LONGEST = 64


def is_marker(name: str) -> bool:
    """Whether it is the name of that file, or of one that a run did not complete."""
    hidden = object_names.unfinished(name)
    return name == MARKER or (hidden is not None and hidden.name == MARKER)


def id_in(path: str) -> str:
    """The id of a directory; empty if it has none. Raises: OSError."""
    try:
        fd = os.open(f"{path}/{MARKER}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return ""
    try:
        return os.read(fd, _LONGEST).decode("ascii", "replace").strip()
    finally:
        os.close(fd)


def mark(path: str, writer: Writer) -> str:
    """The id of a directory, which gets a random one if it has none. Two runs that do so at the same time get the same:
    the one whose file was there first. Removes what an interrupted run left. Raises: OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in os.listdir(folder):
            hidden = object_names.unfinished(name)
            if hidden and hidden.name == MARKER and hidden.is_left_for(writer):
                unlink(folder, name, writer)
        if not id_in(path):
            _write(folder, writer)
    finally:
        os.close(folder)
    return id_in(path)


def _write(folder: int, writer: Writer) -> None:
    import secrets  # a plan marks nothing

    content = f"{secrets.token_hex(16)}\n".encode()
    with contextlib.suppress(FileExistsError):  # another run was first
        if not create_whole(folder, MARKER, content, writer):
            _write_aside(folder, content, writer)
    os.fsync(folder)


def _write_aside(folder: int, content: bytes, writer: Writer) -> None:
    """Raises: FileExistsError."""
    hidden = object_names.hidden_name(MARKER, "new", writer)
    create_file(folder, hidden, content, writer)
    try:
        link_or_rename(folder, hidden, MARKER, writer)
    except FileExistsError:
        unlink(folder, hidden, writer)
        raise


def difference(path: str, expected: str) -> str:
    """What is at a path in place of the directory with the `expected` id; empty if it is that."""
    try:
        found = id_in(path)
        if found:
            return "" if found == expected else f"the directory there has the id {found}"
        if os.path.isdir(path):
            return "the directory there has no such file" if os.listdir(path) else "the directory there is empty"
    except NotADirectoryError:
        return "there is a file"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if os.path.islink(path):
        return f"there is a link to '{os.readlink(path)}', which does not exist"
    return "it is missing"
