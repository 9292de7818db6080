"""Directories, opened one component at a time so that no symbolic link and no `..` leads out of a region."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator

from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_structure = threading.Lock()
"""Held while directories are created and while empty ones are removed, so that neither interferes with the other."""


@contextlib.contextmanager
def open_folder(region_path: str, parts: tuple[str, ...]) -> Iterator[int]:
    """A descriptor of the directory `parts` below a region's directory.

    Raises: FileNotFoundError; ObjectConflict if one of the parts is a symbolic link or a file; OSError.
    """
    fd = _open_folder(region_path, parts)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def make_folder(region_path: str, parts: tuple[str, ...], child: str = "") -> Iterator[int]:
    """As open_folder, but creates what is missing, including the region's directory; with `child` also a new directory
    of that name in it, under the same lock, so that no one removes the still empty parents in between. The parents are
    durable afterwards, the child is not yet. Raises: FileExistsError if the child already exists."""
    with _structure:
        for depth in range(len(parts), -1, -1):  # most exist already: start at the deepest
            try:
                above = _open_folder(region_path, parts[:depth])
                break
            except FileNotFoundError:
                if depth == 0:
                    os.makedirs(region_path, exist_ok=True)
                    above = _open_folder(region_path, ())
        try:
            for part in parts[depth:]:
                os.mkdir(part, dir_fd=above)
                os.fsync(above)
                below = os.open(part, _FOLDER, dir_fd=above)
                os.close(above)
                above = below
            if child:
                os.mkdir(child, dir_fd=above)
        except BaseException:
            os.close(above)
            raise
    try:
        yield above
    finally:
        os.close(above)


def _open_folder(region_path: str, parts: tuple[str, ...]) -> int:
    fd = os.open(region_path, os.O_RDONLY | os.O_DIRECTORY)
    for number, part in enumerate(parts):
        try:
            below = os.open(part, _FOLDER, dir_fd=fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise not_followed("/".join((region_path, *parts[: number + 1]))) from error
            raise
        finally:
            os.close(fd)
        fd = below
    return fd


def not_followed(path: str) -> ObjectConflict:
    """The refusal to follow a symbolic link, or to use a file as a directory."""
    return ObjectConflict(
        f"'{path}' should be a directory, but is a symbolic link or a file; links are not followed",
        "move it away, or replace it with a real directory",
    )


def create_file(folder: int, name: str, content: bytes) -> os.stat_result:
    """Writes a new read-only file durably and returns its status."""
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444, dir_fd=folder)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
        return os.fstat(fd)
    finally:
        os.close(fd)


def create_copy(folder: int, name: str) -> int:
    """A descriptor for filling a new file that is read-only to everyone else."""
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444, dir_fd=folder)


def remove_folder(folder: int, name: str) -> None:
    """Removes a directory and the plain files in it; one that does not exist is fine. Raises: OSError if it contains a
    directory, which we never create there."""
    try:
        inside = os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        for entry in os.listdir(inside):
            os.unlink(entry, dir_fd=inside)
    finally:
        os.close(inside)
    os.rmdir(name, dir_fd=folder)


def remove_empty_folders(region_path: str, parts: tuple[str, ...]) -> None:
    """Removes those of the directories `parts` that are empty, deepest first; the region's own directory stays."""
    with _structure:
        for depth in range(len(parts), 0, -1):
            try:
                os.rmdir("/".join((region_path, *parts[:depth])))
            except FileNotFoundError:
                continue
            except OSError:  # not empty, or not ours to remove: it stays
                return


def failure(error: OSError, doing: str, path: str) -> ProviderError:
    """An OSError as a ProviderError, with a remedy."""
    what = f"{doing} in '{path}' failed: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ProviderError(what, "free some space there (or raise the quota), then apply again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ProviderError(what, "make the directory writable for this user, then apply again")
    if error.errno in (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN):
        return Unavailable(what, "check the disk or the mount, then apply again")
    return ProviderError(what, "check that directory, then apply again")
