"""The images that were downloaded, in `.reconciler/cache/images` of the project: each under its sha256.

Several processes may use it at a time: whoever uses an image holds its lock shared, whoever downloads or removes it
holds it alone. The folder belongs to the checkout, so nothing in it is trusted: no link is followed, and an image is
read and compared with its sha256 before its first use by a process. It may be removed at any time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.providers.errors import ProviderError
from reconciler.providers.image_files.downloads.part_file import PartFile, sha256_of
from reconciler.providers.image_files.extents import file_identity

_FOLDERS = (".reconciler", "cache", "images")
_NAME = re.compile(r"([0-9a-f]{64}(?:\.ova)?)(\.part|\.etag|\.lock)?")
_POLL_S = 0.1
_ABANDONED_S = 14 * 86400
"""Seconds after which an incomplete download that nobody continued is removed."""

_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_verified: dict[tuple[str, str], str] = {}
"""(project, name) -> the identity of the file that this process has read and found to be right."""


class HeldImage:
    """An image in the cache: the file at `path` is not removed as long as this object exists."""

    def __init__(self, path: str, lock: int) -> None:
        self.path = path
        weakref.finalize(self, os.close, lock)


@dataclass(frozen=True, slots=True)
class ImageCache:
    """The cache of one project. `most`: the bytes that it keeps; those used last stay."""

    project: str
    most: int

    def path(self, name: str) -> str:
        """Where an image is, if it has been downloaded: `name` is its sha256, followed by `.ova` for an archive."""
        return str(Path(self.project, *_FOLDERS, name))

    def take(self, name: str, fill: Callable[[PartFile], None]) -> HeldImage:
        """The image of this name. `fill` downloads it if there is none: it continues or replaces what its file
        holds, and returns once that has the right digest. Waits while another process downloads the same.

        Raises: ProviderError if the folder cannot be used; what `fill` raises.
        """
        with self._folder() as folder:
            while True:
                lock = _locked(folder, name, fcntl.LOCK_SH)
                if self._is_right(folder, name):
                    os.utime(lock)
                    self._remove_unused(folder)
                    return HeldImage(self.path(name), lock)
                os.close(lock)
                self._download(folder, name, fill)

    def _download(self, folder: int, name: str, fill: Callable[[PartFile], None]) -> None:
        """Under the lock, unless another process has been faster."""
        lock = _locked(folder, name, fcntl.LOCK_EX)
        try:
            if self._is_right(folder, name):
                return
            _remove(folder, name)
            with PartFile.opened(folder, name, self.path(name)) as part:
                fill(part)
                part.sync()
            os.rename(f"{name}.part", name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
            _remove(folder, f"{name}.etag")
            _verified[self.project, name] = file_identity(os.stat(name, dir_fd=folder, follow_symlinks=False))
        finally:
            os.close(lock)

    def _is_right(self, folder: int, name: str) -> bool:
        """Whether the image is there and has its digest. It is read once by each process."""
        try:
            descriptor = os.open(name, os.O_RDONLY | _OPEN, dir_fd=folder)
        except OSError:
            return False
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return False
            key, identity = (self.project, name), file_identity(status)
            if _verified.get(key) != identity and hashlib.file_digest(file, "sha256").hexdigest() != sha256_of(name):
                return False
            _verified[key] = identity
            return True

    @contextmanager
    def _folder(self) -> Iterator[int]:
        """A descriptor of the folder, created if need be; no part of its path below the project is a link."""
        descriptor = os.open(self.project, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in _FOLDERS:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=descriptor)
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _OPEN, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
        except OSError as error:
            os.close(descriptor)
            raise ProviderError(
                f"'{self.path('')}' cannot be used for downloads: {error.strerror}",
                "it must be a folder of yours, without links in its path: remove what is in its place",
            ) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _remove_unused(self, folder: int) -> None:
        """Removes the images that were used longest ago until the others fit, and downloads that nobody continues; what
        is in use stays, and so does every file of another name."""
        kept, now = 0, time.time()
        for name, used, size in sorted(_images(folder), key=lambda image: -image[1]):
            kept += size
            abandoned = not _exists(folder, name) and now - used > _ABANDONED_S
            if (kept > self.most or abandoned) and _remove_if_unused(folder, name):
                kept -= size


def _images(folder: int) -> Iterator[tuple[str, float, int]]:
    """(name, when it was used last, bytes on the disk) of the images and incomplete downloads of a folder. Whoever
    uses one dates its lock."""
    files = [match for name in os.listdir(folder) if (match := _NAME.fullmatch(name))]
    used: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for match in sorted(files, key=lambda match: match[2] == ".lock"):
        with suppress(OSError):
            status = os.stat(match[0], dir_fd=folder, follow_symlinks=False)
            used[match[1]] = status.st_mtime
            sizes[match[1]] = sizes.get(match[1], 0) + status.st_blocks * 512
    yield from ((name, used[name], size) for name, size in sizes.items())


def _remove_if_unused(folder: int, name: str) -> bool:
    lock = _lock_file(folder, name)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        for ending in ("", ".part", ".etag", ".lock"):
            _remove(folder, f"{name}{ending}")
        return True
    finally:
        os.close(lock)


def _locked(folder: int, name: str, how: int) -> int:
    """A descriptor of an image's lock, held. It is tried again and again, so that a signal ends the wait."""
    while True:
        lock = _lock_file(folder, name)
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            time.sleep(_POLL_S)
            continue
        if os.fstat(lock).st_nlink:
            return lock
        os.close(lock)  # it was removed with its image since it was opened


def _lock_file(folder: int, name: str) -> int:
    """Raises: ProviderError."""
    try:
        return os.open(f"{name}.lock", os.O_RDWR | os.O_CREAT | _OPEN, 0o600, dir_fd=folder)
    except OSError as error:
        raise ProviderError(
            f"the lock of the download {name[:12]}… cannot be opened: {error.strerror}",
            "remove .reconciler/cache/images: it holds only what can be downloaded again",
        ) from error


def _exists(folder: int, name: str) -> bool:
    return name in os.listdir(folder)


def _remove(folder: int, name: str) -> None:
    with suppress(FileNotFoundError, IsADirectoryError):
        os.unlink(name, dir_fd=folder)
