"""Extents of files: which bytes belong to a disk, whether they are unchanged, and where the data and the holes are."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from stat import S_ISREG
from typing import Protocol

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import SECTOR

PIECE = 2 << 20


class Requirement(Protocol):
    """What must hold before the bytes of an extent are used, such as the digests that its archive declares."""

    def require(self) -> None:
        """Returns at once if it was found to hold before. Raises: SourceError if it does not hold."""
        ...


@dataclass(frozen=True, slots=True)
class Extent:
    """Where the bytes of one disk are: a whole file, or a part of an archive. `label` is its name in messages.

    `identity` is that of the file when it was inspected; empty if it does not matter. `followed`: the path may be a
    symbolic link. `requirement`: whoever opens the extent to read it has checked that, with `opened`.
    """

    path: str
    offset: int
    size: int
    label: str
    identity: str = ""
    followed: bool = True
    requirement: Requirement | None = None


def file_identity(status: os.stat_result) -> str:
    """Changes when a file may have been written or replaced, not when it is read."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def open_source(path: str, label: str, *, followed: bool = True) -> int:
    """A descriptor of a regular file. Raises: SourceError if there is none or it cannot be opened."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if followed else os.O_NOFOLLOW))
    except FileNotFoundError as error:
        raise SourceError(f"{label} does not exist", "correct the path, or put the image there") from error
    except OSError as error:
        raise SourceError(f"{label} cannot be opened: {error.strerror}", "check its path and permissions") from error
    if not S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise SourceError(f"{label} is not a regular file", "give the path of a disk image")
    return fd


@contextmanager
def opened(extent: Extent) -> Iterator[int]:
    """A descriptor of the file that contains an extent, for reading it in the block.

    Raises: SourceError if it is missing, unreadable, not a regular file, not what is required of it, or changes before
    the block ends: then what was read is worthless.
    """
    fd = open_source(extent.path, extent.label, followed=extent.followed)
    try:
        before = os.fstat(fd)
        if extent.identity not in ("", file_identity(before)) or extent.offset + extent.size > before.st_size:
            raise changed(extent)
        if extent.requirement is not None:
            extent.requirement.require()
        yield fd
        if file_identity(os.fstat(fd)) != file_identity(before):
            raise changed(extent)
    except OSError as error:
        raise SourceError(f"{extent.label} cannot be read: {error.strerror}", "check the disk it is on") from error
    finally:
        os.close(fd)


def pieces(fd: int, extent: Extent, most: int = PIECE) -> Iterator[tuple[int, int, bool]]:
    """(start, length, whether it is data) of all data, at most `most` bytes each, and holes of the extent, in order.

    Data starts and ends at whole sectors of the extent; the last sector may be cut short.
    """
    position, end = extent.offset, extent.offset + extent.size
    while position < end:
        data = _seek(fd, position, os.SEEK_DATA, end)
        hole = _seek(fd, data, os.SEEK_HOLE, end) if data < end else end
        begin = data - (data - extent.offset) % SECTOR if data < end else end
        if begin > position:
            yield position, begin - position, False
        position = min(end, hole + (extent.offset - hole) % SECTOR)
        for start in range(begin, position, most):
            yield start, min(most, position - start), True


def _seek(fd: int, position: int, what: int, end: int) -> int:
    try:
        return min(os.lseek(fd, position, what), end)
    except OSError as error:
        if error.errno == errno.ENXIO:  # only a hole from here to the end
            return end
        raise


def changed(extent: Extent) -> SourceError:
    """The error for a file that was written while it was read."""
    return SourceError(
        f"{extent.label} changed while it was read",
        "wait until whatever writes it has finished, then apply again",
    )
