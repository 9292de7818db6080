"""The hidden file that distinguishes a region's directory from another one in its place."""

from __future__ import annotations

import os
import secrets

from reconciler.providers.local.directories.effects import create_file, link_or_rename, unlink
from reconciler.providers.owner import Writer

MARKER = ".reconciler-place"
_LONGEST = 64


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
    """The id of a directory, which gets a random one. Two runs that do so at the same time get the same: the one whose
    file was there first. Raises: OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    hidden = f"{MARKER}.new-{secrets.token_hex(4)}"
    try:
        create_file(folder, hidden, f"{secrets.token_hex(16)}\n".encode(), writer)
        try:
            link_or_rename(folder, hidden, MARKER, writer)
        except FileExistsError:
            unlink(folder, hidden, writer)
        os.fsync(folder)
    finally:
        os.close(folder)
    return id_in(path)


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
