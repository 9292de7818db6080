"""Every change to names in the directories. Each requires the lease right before: a run without it changes nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator

from reconciler.providers.local.directories.folders import FOLDER, open_parts
from reconciler.providers.owner import Writer

_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_NO_UNNAMED_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)
_structure = threading.Lock()
"""Held while directories are created and while empty ones are removed, so that neither interferes with the other."""


@contextlib.contextmanager
def make_folder(region_path: str, parts: tuple[str, ...], writer: Writer, child: str = "") -> Iterator[int]:
    """As open_folder, but creates what is missing, including the region's directory; with `child` also a new directory
    of that name in it, under the same lock, so that no one removes the still empty parents in between. The parents are
    durable afterwards, the child is not yet. Raises: FileExistsError if the child already exists."""
    with _structure:
        for depth in range(len(parts), -1, -1):  # most exist already: start at the deepest
            try:
                above = open_parts(region_path, parts[:depth])
                break
            except FileNotFoundError:
                if depth == 0:
                    make_region(region_path, writer)
                    above = open_parts(region_path, ())
        try:
            for part in parts[depth:]:
                writer.require_lease()
                os.mkdir(part, dir_fd=above)
                os.fsync(above)
                below = os.open(part, FOLDER, dir_fd=above)
                os.close(above)
                above = below
            if child:
                writer.require_lease()
                os.mkdir(child, dir_fd=above)
        except BaseException:
            os.close(above)
            raise
    try:
        yield above
    finally:
        os.close(above)


def make_region(path: str, writer: Writer) -> None:
    """Creates a region's directory; one that exists is fine."""
    writer.require_lease()
    os.makedirs(path, exist_ok=True)


def create_file(folder: int, name: str, content: bytes, writer: Writer) -> os.stat_result:
    """Writes a new read-only file durably and returns its status."""
    writer.require_lease()
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444, dir_fd=folder)
    try:
        _write_all(fd, content)
        return os.fstat(fd)
    finally:
        os.close(fd)


def create_whole(folder: int, name: str, content: bytes, writer: Writer) -> bool:
    """Creates a read-only file with all of its content in one step, so that nothing is left of it if the process ends
    before; False where the system cannot. Raises: FileExistsError."""
    writer.require_lease()
    try:
        fd = os.open(".", os.O_WRONLY | os.O_TMPFILE, 0o444, dir_fd=folder)
    except OSError as error:
        if error.errno in _NO_UNNAMED_FILES:
            return False
        raise
    try:
        _write_all(fd, content)
        writer.require_lease()
        os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=folder, follow_symlinks=True)
    except FileNotFoundError:  # no /proc
        return False
    finally:
        os.close(fd)
    return True


def _write_all(fd: int, content: bytes) -> None:
    """Writes durably."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.fsync(fd)


def create_copy(folder: int, name: str, writer: Writer) -> int:
    """A descriptor for filling a new file that is read-only to everyone else."""
    writer.require_lease()
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444, dir_fd=folder)


def rename(folder: int, old: str, new: str, writer: Writer) -> None:
    """Renames a file or directory within `folder`."""
    writer.require_lease()
    os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)


def exchange(folder: int, one: str, other: str, writer: Writer) -> bool:
    """Has two directories within `folder` change their names in one step; False where the system cannot."""
    import ctypes

    writer.require_lease()
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(folder, os.fsencode(one), folder, os.fsencode(other), _EXCHANGE) == 0:
        return True
    if (number := ctypes.get_errno()) in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), one)


def link_or_rename(folder: int, old: str, new: str, writer: Writer) -> None:
    """Gives the file `old` the name `new`, and takes the old one away where the file system allows that. Raises:
    FileExistsError if there is one of that name."""
    writer.require_lease()
    try:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        rename(folder, old, new, writer)  # a file system without hard links
    else:
        unlink(folder, old, writer)


def unlink(folder: int, name: str, writer: Writer) -> None:
    """Removes a file; one that does not exist is fine."""
    writer.require_lease()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def remove_folder(folder: int, name: str, writer: Writer) -> None:
    """Removes a directory with the files and empty directories in it; one that does not exist is fine. Raises: OSError
    if it contains a directory that is not empty, which we never create there."""
    try:
        inside = os.open(name, FOLDER, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        for entry in os.listdir(inside):
            try:
                unlink(inside, entry, writer)
            except IsADirectoryError:
                os.rmdir(entry, dir_fd=inside)
    finally:
        os.close(inside)
    writer.require_lease()
    os.rmdir(name, dir_fd=folder)


def remove_empty_folders(region_path: str, parts: tuple[str, ...], writer: Writer) -> None:
    """Removes those of the directories `parts` that are empty, deepest first; the region's own directory stays."""
    with _structure:
        for depth in range(len(parts), 0, -1):
            writer.require_lease()
            try:
                os.rmdir("/".join((region_path, *parts[:depth])))
            except FileNotFoundError:
                continue
            except OSError:  # not empty, or not ours to remove: it stays
                return
