"""Directories, opened one component at a time so that no symbolic link and no `..` leads out of a region."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from stat import S_ISDIR

from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextlib.contextmanager
def open_folder(region_path: str, parts: tuple[str, ...]) -> Iterator[int]:
    """A descriptor of the directory `parts` below a region's directory.

    Raises: FileNotFoundError; ObjectConflict if one of the parts is a symbolic link or a file; OSError.
    """
    fd = open_parts(region_path, parts)
    try:
        yield fd
    finally:
        os.close(fd)


def open_parts(region_path: str, parts: tuple[str, ...]) -> int:
    """As open_folder; the caller closes the descriptor."""
    fd = os.open(region_path, os.O_RDONLY | os.O_DIRECTORY)
    for number, part in enumerate(parts):
        try:
            below = os.open(part, FOLDER, dir_fd=fd)
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


def exists(folder: int, name: str) -> bool:
    """Whether the directory `folder` has an entry of this name, a broken link included."""
    return _status(folder, name) is not None


def is_same(folder: int, name: str, descriptor: int) -> bool:
    """Whether the name in `folder` is that of the open file or directory."""
    status = _status(folder, name)
    return status is not None and os.path.samestat(status, os.fstat(descriptor))


def is_full_directory(folder: int, name: str) -> bool:
    """Whether the name is that of a directory in which there is something."""
    status = _status(folder, name)
    if status is None or not S_ISDIR(status.st_mode):
        return False
    inside = os.open(name, FOLDER, dir_fd=folder)
    try:
        return bool(os.listdir(inside))
    finally:
        os.close(inside)


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


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
