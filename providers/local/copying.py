"""Copies bytes: one read of the source for all targets, its sha256 in the same pass, holes kept, blocks shared where
the file system can.

A large copy is a pipeline: while one piece is hashed and written, each in a thread, the next is read. Both release the
interpreter's lock, so the hash costs no time beside the disk.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fcntl import ioctl
from stat import S_ISREG
from typing import TYPE_CHECKING

from providers.errors import SourceError

if TYPE_CHECKING:
    from concurrent.futures import Future

PIECE = 2 << 20
_SMALL = 256 << 10
_FICLONE = 0x40049409
_ZEROS = memoryview(bytes(PIECE))
Advance = Callable[[int], None]
"""Told the bytes gone through since the last call."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where the bytes of one disk are: a whole file, or a part of an archive. `label` is how messages call it.

    `identity` is what the file's was when it was looked at; empty when that does not matter. `followed`: the path may
    be a symbolic link.
    """

    path: str
    offset: int
    size: int
    label: str
    identity: str = ""
    followed: bool = True


@dataclass(slots=True)
class Sink:
    """A file being written, open for reading and writing. `error` is set when it could not be; the others go on."""

    fd: int
    error: OSError | None = None


def file_identity(status: os.stat_result) -> str:
    """Changes when a file may have been written or replaced, not when it is read."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def digest_extent(extent: Extent, advance: Advance | None = None) -> str:
    """The sha256 of an extent in hexadecimal. Raises: as copy_extent."""
    return copy_extent(extent, (), advance)


def copy_extent(extent: Extent, sinks: Sequence[Sink], advance: Advance | None = None) -> str:
    """Fills every sink with the extent and returns its sha256 in hexadecimal.

    Raises: SourceError when it is missing, unreadable, not a regular file, or changed before the end; what is in the
    sinks is worthless then.
    """
    fd = open_source(extent.path, extent.label, followed=extent.followed)
    try:
        before = os.fstat(fd)
        if extent.identity not in ("", file_identity(before)) or extent.offset + extent.size > before.st_size:
            raise _changed(extent)
        whole = extent.size == before.st_size
        writers = [sink for sink in sinks if not (whole and _share_blocks(sink.fd, fd))]
        if extent.size <= _SMALL and before.st_blocks * 512 >= before.st_size:
            digest = _copy_at_once(fd, extent, writers)
            if advance:
                advance(extent.size)
        else:
            digest = _copy_in_pieces(fd, extent, writers, advance)
        if file_identity(os.fstat(fd)) != file_identity(before):
            raise _changed(extent)
    except OSError as error:
        raise SourceError(f"{extent.label} cannot be read: {error.strerror}", "check the disk it is on") from error
    finally:
        os.close(fd)
    return digest


def open_source(path: str, label: str, *, followed: bool = True) -> int:
    """A descriptor of a regular file. Raises: SourceError when there is none or it cannot be opened."""
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


def _share_blocks(target: int, source: int) -> bool:
    """Whether the target now holds the source's bytes without a copy. Where that cannot be, nothing has happened."""
    try:
        ioctl(target, _FICLONE, source)
    except OSError:  # other file system, or one without shared blocks, or full: the copy that follows will tell
        return False
    return True


def _copy_at_once(fd: int, extent: Extent, sinks: Sequence[Sink]) -> str:
    content = os.pread(fd, extent.size, extent.offset)
    if len(content) != extent.size:
        raise _changed(extent)
    for sink in sinks:
        _write(sink, memoryview(content), 0)
    return hashlib.sha256(content).hexdigest()


def _copy_in_pieces(fd: int, extent: Extent, sinks: Sequence[Sink], advance: Advance | None) -> str:
    from concurrent.futures import ThreadPoolExecutor

    writers = _first_of_each_clonable_group(sinks)
    hasher = hashlib.sha256()
    buffers = (memoryview(bytearray(PIECE)), memoryview(bytearray(PIECE)))
    for sink in writers:
        _set_size(sink, extent.size)
    with ThreadPoolExecutor(1 + len(writers), thread_name_prefix="copy") as pool:
        running: list[Future[None]] = []
        for number, (start, length, is_data) in enumerate(_pieces(fd, extent)):
            piece = buffers[number % 2][:length] if is_data else _ZEROS[:length]
            if is_data and os.preadv(fd, [piece], start) != length:
                raise _changed(extent)
            _wait(running)
            running = [pool.submit(hasher.update, piece)]
            if is_data:
                place = start - extent.offset
                running += [pool.submit(_write, sink, piece, place) for sink in writers if sink.error is None]
            if advance:
                advance(length)
        _wait(running)
    _fill_the_rest(sinks, writers)
    return hasher.hexdigest()


def _wait(running: Sequence[Future[None]]) -> None:
    for future in running:
        future.result()


def _first_of_each_clonable_group(sinks: Sequence[Sink]) -> list[Sink]:
    """The sinks to write; the others can share blocks with one of these afterwards."""
    writers: list[Sink] = []
    for sink in sinks:
        if not any(_same_device(sink.fd, writer.fd) and _share_blocks(sink.fd, writer.fd) for writer in writers):
            writers.append(sink)
    return writers


def _same_device(one: int, other: int) -> bool:
    return os.fstat(one).st_dev == os.fstat(other).st_dev


def _fill_the_rest(sinks: Sequence[Sink], writers: Sequence[Sink]) -> None:
    for sink in sinks:
        if sink in writers:
            continue
        donors = [writer for writer in writers if _same_device(sink.fd, writer.fd)]
        sink.error = donors[0].error
        if sink.error is None and not _share_blocks(sink.fd, donors[0].fd):
            sink.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _pieces(fd: int, extent: Extent) -> Iterator[tuple[int, int, bool]]:
    """(start, length, whether data or a hole) of all that lies in the extent, in order, at most PIECE long each."""
    position, end = extent.offset, extent.offset + extent.size
    while position < end:
        data = _seek(fd, position, os.SEEK_DATA, end)
        yield from _cut(position, data, is_data=False)
        position = _seek(fd, data, os.SEEK_HOLE, end) if data < end else end
        yield from _cut(data, position, is_data=True)


def _cut(start: int, end: int, *, is_data: bool) -> Iterator[tuple[int, int, bool]]:
    for position in range(start, end, PIECE):
        yield position, min(PIECE, end - position), is_data


def _seek(fd: int, position: int, what: int, end: int) -> int:
    try:
        return min(os.lseek(fd, position, what), end)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole from here to the end
            return end
        raise


def _set_size(sink: Sink, size: int) -> None:
    try:
        os.ftruncate(sink.fd, size)
    except OSError as error:
        sink.error = error


def _write(sink: Sink, content: memoryview, position: int) -> None:
    try:
        while content:
            written = os.pwrite(sink.fd, content, position)
            content, position = content[written:], position + written
    except OSError as error:
        sink.error = error


def _changed(extent: Extent) -> SourceError:
    return SourceError(
        f"{extent.label} changed while it was read",
        "wait until whatever writes it has finished, then apply again",
    )
