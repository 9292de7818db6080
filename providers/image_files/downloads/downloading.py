"""`Downloads`: the images of a project that manifests name by `url`, in the cache or fetched into it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from stat import S_ISREG
from urllib.parse import unquote, urlsplit

from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import Trust, open_inside
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.downloads.cache import HeldImage, ImageCache
from reconciler.providers.image_files.downloads.limits import Limits
from reconciler.providers.image_files.downloads.part_file import PartFile
from reconciler.providers.image_files.downloads.transfer import Progress, Transfer, require_room

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Downloads:
    """The downloads of a project. `trust` says which hosts and folders are read besides public ones."""

    project: str
    trust: Trust = field(default_factory=Trust)
    limits: Limits = field(default_factory=Limits)

    @property
    def cache(self) -> ImageCache:
        return ImageCache(self.project, self.trust.downloads.cache)

    def path(self, url: str, sha256: str) -> str:
        """Where an image is once it has been downloaded."""
        return self.cache.path(_name(url, sha256))

    def cached(self, url: str, sha256: str) -> str:
        """The path of an image that has been downloaded; empty if it has not. Its content is not checked."""
        path = self.path(url, sha256)
        try:
            return path if S_ISREG(os.lstat(path).st_mode) and os.path.realpath(path) == _plain(path) else ""
        except OSError:
            return ""

    def fetch(self, url: str, sha256: str, progress: Progress | None = None) -> HeldImage:
        """The image at an address that has this sha256: from the cache, or downloaded into it.

        Raises: SourceError if what is there has another digest, or cannot be downloaded; Unavailable when the server
        does not answer or breaks off too often; ProviderError.
        """
        filling = _Filling(self, url, sha256, progress)
        return self.cache.take(_name(url, sha256), filling.fill)


@dataclass(frozen=True, slots=True)
class _Filling:
    """Fills a part file from one address."""

    downloads: Downloads
    url: str
    sha256: str
    progress: Progress | None

    def fill(self, part: PartFile) -> None:
        """Raises: as `Downloads.fetch`. What has the wrong digest is removed."""
        self._fetch(part)
        found = part.digest()
        if found != self.sha256 and part.joined:
            part.restart()
            self._fetch(part)
            found = part.digest()
        if found != self.sha256:
            part.restart()
            raise SourceError(
                f"'{self.url}' is not the image that the manifest names: its sha256 is {found}, and the manifest says "
                f"{self.sha256}",
                "compare both with what the publisher of the image says, and correct the manifest only if that is "
                "the new one",
            )

    def _fetch(self, part: PartFile) -> None:
        label, trust = f"'{self.url}'", self.downloads.trust
        if urlsplit(self.url).scheme == "file":
            part.restart()
            _copy(self.url, label, trust, part, self.progress)
        else:
            Transfer(self.url, label, trust.downloads, self.downloads.limits, self.progress).fill(part)


def _copy(url: str, label: str, trust: Trust, part: PartFile, progress: Progress | None) -> None:
    """Copies a file of a folder that whoever runs this trusts. Raises: SourceError, ProviderError."""
    descriptor = _opened(url, label, trust)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not S_ISREG(status.st_mode):
            raise SourceError(f"{label} is not a regular file", "give the path of a disk image")
        require_room(part, label, status.st_size, trust.downloads)
        while content := file.read(_PIECE):
            require_room(part, label, part.size + len(content), trust.downloads)
            part.append(content)
            if progress:
                progress(part.size, max(part.size, status.st_size))


def _opened(url: str, label: str, trust: Trust) -> int:
    """Raises: SourceError."""
    roots = () if trust.untrusted else tuple(os.path.realpath(folder) for folder in trust.directories)
    try:
        return open_inside(unquote(urlsplit(url).path), roots)
    except InvalidInput as error:
        raise SourceError(
            f"{label} is in no folder that whoever runs this trusts",
            "name its folder under `directories` in their settings (--settings FILE); for an image in the project, "
            "write `file` in place of `url`",
        ) from error
    except OSError as error:
        why = "does not exist" if error.errno == errno.ENOENT else f"cannot be opened: {error.strerror}"
        raise SourceError(f"{label} {why}", "correct the path, or put the image there") from error


def _name(url: str, sha256: str) -> str:
    """The name of an image in the cache. That of an archive shows what it is."""
    return f"{sha256}.ova" if url.lower().endswith(".ova") else sha256


def _plain(path: str) -> str:
    """A path whose last parts, those below the project, must have no links."""
    folder, name = os.path.split(path)
    for _ in range(3):
        folder, part = os.path.split(folder)
        name = os.path.join(part, name)
    return os.path.join(os.path.realpath(folder), name)
