"""`PartFile`: a download that is not complete yet, and what identifies the content it is a part of."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from reconciler.providers.errors import ProviderError

_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_LONGEST_ETAG = 1024


class PartFile:
    """The file `NAME.part`, written from its end on; `received` counts what was. `joined`: its bytes came
    in several answers, which may be of several contents. Its ETag is in `NAME.etag`."""

    def __init__(self, folder: int, name: str, path: str, descriptor: int) -> None:
        self.sha256 = sha256_of(name)
        self.size = os.fstat(descriptor).st_size
        self.received = 0
        self.joined = False
        self._folder = folder
        self._name = name
        self._path = path
        self._descriptor = descriptor

    @classmethod
    @contextmanager
    def opened(cls, folder: int, name: str, path: str) -> Iterator[PartFile]:
        """The part in a folder, created if it does not exist; `path` is where the image will be, for messages.

        Raises: ProviderError if something else is in its place.
        """
        try:
            descriptor = os.open(f"{name}.part", os.O_RDWR | os.O_CREAT | _OPEN, 0o600, dir_fd=folder)
        except OSError as error:
            raise _in_the_way(path, error.strerror or "") from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _in_the_way(path, "it is no file")
            os.fchmod(descriptor, 0o600)
            yield cls(folder, name, path, descriptor)
        finally:
            os.close(descriptor)

    @property
    def etag(self) -> str:
        """The ETag that came with the bytes so far; empty if none did."""
        try:
            descriptor = os.open(f"{self._name}.etag", os.O_RDONLY | _OPEN, dir_fd=self._folder)
        except OSError:
            return ""
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(_LONGEST_ETAG + 1).decode("latin-1")
        return content if is_strong_etag(content) else ""

    def restart(self, etag: str = "") -> None:
        """Forgets all bytes; those that follow have this ETag. Raises: ProviderError."""
        os.ftruncate(self._descriptor, 0)
        self.size, self.joined = 0, False
        with suppress(FileNotFoundError):
            os.unlink(f"{self._name}.etag", dir_fd=self._folder)
        if is_strong_etag(etag):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN
            with os.fdopen(os.open(f"{self._name}.etag", flags, 0o600, dir_fd=self._folder), "wb") as file:
                file.write(etag.encode("latin-1"))

    def append(self, content: bytes) -> None:
        """Raises: ProviderError if there is no space, or the folder cannot be written."""
        rest = memoryview(content)
        try:
            while rest:
                written = os.pwrite(self._descriptor, rest, self.size)
                self.size, rest = self.size + written, rest[written:]
                self.received += written
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self.no_space(len(rest)) from error
            raise ProviderError(
                f"'{self._path}.part' cannot be written: {error.strerror}", "check the disk that the project is on"
            ) from error

    def free(self) -> int:
        """The bytes that can still be written."""
        status = os.fstatvfs(self._folder)
        return status.f_bavail * status.f_frsize

    def no_space(self, needed: int) -> ProviderError:
        """The error for a download that needs so many bytes more."""
        return ProviderError(
            f"'{os.path.dirname(self._path)}' has no space for a download: it needs {needed} bytes more",
            "make room on the disk that the project is on",
        )

    def digest(self) -> str:
        """The sha256 of the bytes so far; reads them."""
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()

    def sync(self) -> None:
        """Makes the bytes durable."""
        os.fsync(self._descriptor)


def sha256_of(name: str) -> str:
    """The digest in the name of an image in the cache."""
    return name[:64]


def is_strong_etag(text: str) -> bool:
    """Whether an ETag may be compared byte by byte: it is quoted and not weak. Source: RFC 9110, 8.8.3 and 13.1.5."""
    return (
        2 <= len(text) <= _LONGEST_ETAG
        and text[0] == text[-1] == '"'
        and all(character == "!" or "#" <= character <= "~" or character >= "\x80" for character in text[1:-1])
    )


def _in_the_way(path: str, why: str) -> ProviderError:
    return ProviderError(f"'{path}.part' cannot be used for a download: {why}", "remove it")
