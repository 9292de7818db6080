"""Files that only their owner may read, written whole or not at all.

A file is written beside its place under a name that nobody can guess, and then moved there. So a reader sees either the
previous file or all of the new one, and a symbolic link at the place is replaced rather than followed. After a failure
the file beside it is removed; only a killed process may leave it behind.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from reconciler.manifests.errors import ReconcilerError

OWNER_ONLY = 0o600
_FOR_OTHERS = 0o077


class NotPrivate(ReconcilerError):
    """A file or folder that has to be private is not: others chose its content, or can read it."""


def private_folder(path: Path) -> None:
    """A folder that only its owner may enter: created, or closed to others if it exists.

    Raises: NotPrivate for a link, and for a folder of somebody else; OSError.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = _open_own(path, os.O_DIRECTORY)
    try:
        if os.fstat(descriptor).st_mode & _FOR_OTHERS:
            os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def read_private(path: Path) -> bytes:
    """The content of a file that holds a secret, as sshd reads its keys: a regular file of this user or root, no link,
    which nobody else may read or write. Raises: NotPrivate; OSError, also when there is none.
    """
    descriptor = _open_own(path, 0)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise NotPrivate(f"{path} is not a file of its own", "remove it: a new one will be created")
        if status.st_mode & _FOR_OTHERS:
            raise NotPrivate(
                f"{path} holds a secret, and others may use it (mode {stat.S_IMODE(status.st_mode):04o})",
                "if its content is yours: chmod 600; else remove it: a new one will be created",
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _open_own(path: Path, flags: int) -> int:
    """A descriptor of what this user or root owns; never through a link at the end of the path, and never waiting."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | flags)
    except OSError as error:
        if path.is_symlink():
            raise NotPrivate(f"{path} is a link", "remove it: what it leads to may be somebody else's") from error
        raise
    if os.fstat(descriptor).st_uid not in (os.geteuid(), 0):
        os.close(descriptor)
        raise NotPrivate(f"{path} belongs to another user", "remove it, or choose another folder")
    return descriptor


def write_private(path: Path, text: str, *, mode: int = OWNER_ONLY, durable: bool = True) -> None:
    """Writes `text` in UTF-8 to `path`, in one step. `mode` and `durable` as for `replacing`. Raises: OSError."""
    with replacing(path, mode=mode, durable=durable) as file:
        file.write(text.encode())


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """The ASCII content of a file; created with what `make` returns if it does not exist.

    Of several processes that create it at the same time, all get the same content. Raises: NotPrivate, as
    `read_private`; OSError.
    """
    try:
        return read_private(path).decode("ascii")
    except FileNotFoundError:
        with _file_beside(path, "") as (descriptor, beside):
            _write_and_sync(descriptor, make().encode("ascii"))
            link_if_absent(beside, path)
        sync_folder(path.parent)
        return read_private(path).decode("ascii")


def read_regular(path: Path, *, follow: bool = True) -> bytes:
    """The content of a regular file; never waits for a pipe or a device. `follow`: also through a link.

    Raises: OSError, also when it is anything else.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _not_regular(path)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def write_cache(path: Path, text: str) -> None:
    """Writes `text` to a file of the project's cache, `.reconciler/cache`, and never through a link on the way there;
    does nothing where that cannot be written."""
    with suppress(OSError):
        own_folder(path.parent.parent)
        own_folder(path.parent)
        write_private(path, text, durable=False)


def read_cache(path: Path) -> bytes:
    """The content of a file of the project's cache. Raises: OSError, also when there is a link on the way there."""
    for folder in (path.parent.parent, path.parent):
        _require_folder(folder)
    return read_regular(path, follow=False)


def own_folder(path: Path) -> None:
    """Makes a folder that only its owner may enter, whatever the umask is; an existing one becomes so if it is ours.

    Raises: OSError, also when it is a link.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = _require_folder(path)
    if stat.S_IMODE(status.st_mode) != 0o700 and status.st_uid == os.geteuid():
        path.chmod(0o700)


def _require_folder(path: Path) -> os.stat_result:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "is a link or a file, and must be a folder", str(path))
    return status


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "is not a regular file", str(path))


@contextmanager
def replacing(path: Path, *, mode: int = OWNER_ONLY, durable: bool = True, suffix: str = "") -> Iterator[BinaryIO]:
    """A new file, open for writing, that takes the place of `path` at the end of a `with` block.

    It has exactly `mode`, whatever the umask is. `durable`: its content and its place survive a power failure from then
    on; a cache can do without. `suffix` ends its name until then. When the block raises, `path` stays as it was.
    Raises: OSError, also when `path` is a device, pipe or folder: those are not replaced.
    """
    with suppress(FileNotFoundError):
        if not (stat.S_ISREG(mode_of := path.lstat().st_mode) or stat.S_ISLNK(mode_of)):
            raise _not_regular(path)
    with _file_beside(path, suffix) as (descriptor, beside):
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            yield file
        os.fchmod(descriptor, mode)
        if durable:
            os.fsync(descriptor)
        beside.replace(path)
    if durable:
        sync_folder(path.parent)


@contextmanager
def private_file_beside(path: Path) -> Iterator[Path]:
    """The path of a new, empty file in the same folder; removed at the end of the `with` block if it still exists."""
    with _file_beside(path, "") as (_, beside):
        yield beside


def link_if_absent(file: Path, path: Path) -> None:
    """Puts a finished file at `path` too, unless there is one: a file that another process put there stays."""
    try:
        path.hardlink_to(file)
    except FileExistsError:
        return


def sync_folder(folder: Path) -> None:
    """Makes durable which files are in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _file_beside(path: Path, suffix: str) -> Iterator[tuple[int, Path]]:
    """(descriptor, path) of a new file. O_EXCL: an existing file or link of that name is never opened."""
    import tempfile  # 5 ms that programs which only read should not pay

    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", suffix=suffix, dir=path.parent)
    try:
        os.fchmod(descriptor, OWNER_ONLY)  # a umask may have taken more away
        yield descriptor, Path(name)
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


def _write_and_sync(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
