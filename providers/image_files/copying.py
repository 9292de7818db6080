"""Copies bytes: one read of the source for all targets, its digest in the same pass, holes kept and not read, blocks
shared if the file system supports it.

A large copy is a pipeline: while one piece is hashed and written, each in a thread, the next is read. Both release the
interpreter's lock, so the hash adds no time to that of the disk.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fcntl import ioctl
from typing import TYPE_CHECKING

from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.image_files.extents import PIECE, Extent, changed, opened, pieces
from reconciler.providers.image_files.tree_digest import Digester

if TYPE_CHECKING:
    from concurrent.futures import Future

_SMALL = 256 << 10
_FICLONE = 0x40049409
Advance = Callable[[int], None]
"""Called with the number of bytes since the last call."""


@dataclass(slots=True)
class Sink:
    """A target file, open for reading and writing. `error` is set if writing it failed; the other sinks continue."""

    fd: int
    error: OSError | None = None


def digest_extent(extent: Extent, advance: Advance | None = None, *, plain: bool = False) -> ContentDigest:
    """The digest of an extent; with the sha256 of all its bytes only if `plain`. Raises: as copy_extent."""
    return copy_extent(extent, (), advance, plain=plain)


def copy_extent(
    extent: Extent, sinks: Sequence[Sink], advance: Advance | None = None, *, plain: bool = False
) -> ContentDigest:
    """Fills every sink with the extent and returns its digest; with the sha256 of all its bytes only if `plain`.

    Raises: SourceError if the source is missing, unreadable, not a regular file, or changes before the end; then the
    content of the sinks is worthless.
    """
    with opened(extent) as fd:
        status = os.fstat(fd)
        whole = extent.size == status.st_size
        writers = [sink for sink in sinks if not (whole and _share_blocks(sink.fd, fd))]
        if extent.size > _SMALL or status.st_blocks * 512 < status.st_size:
            return _copy_in_pieces(fd, extent, writers, advance, plain=plain)
        digest = _copy_at_once(fd, extent, writers, plain=plain)
        if advance:
            advance(extent.size)
        return digest


def _share_blocks(target: int, source: int) -> bool:
    """Whether the target now has the source's bytes without a copy. If that is impossible, nothing has changed."""
    try:
        ioctl(target, _FICLONE, source)
    except OSError:  # another file system, one without shared blocks, or full: the copy that follows shows which
        return False
    return True


def _copy_at_once(fd: int, extent: Extent, sinks: Sequence[Sink], *, plain: bool) -> ContentDigest:
    content = os.pread(fd, extent.size, extent.offset)
    if len(content) != extent.size:
        raise changed(extent)
    for sink in sinks:
        _write(sink, memoryview(content), 0)
    digester = Digester(plain=plain)
    digester.data(content)
    return digester.result()


def _copy_in_pieces(
    fd: int, extent: Extent, sinks: Sequence[Sink], advance: Advance | None, *, plain: bool
) -> ContentDigest:
    from concurrent.futures import ThreadPoolExecutor

    writers = _first_of_each_clonable_group(sinks)
    buffers = (memoryview(bytearray(PIECE)), memoryview(bytearray(PIECE)))
    for sink in writers:
        _set_size(sink, extent.size)
    with ThreadPoolExecutor(2 + len(writers), thread_name_prefix="copy") as pool:
        digester = Digester(plain=plain, executor=pool)
        running: list[Future[None]] = []
        for number, (start, length, is_data) in enumerate(pieces(fd, extent)):
            piece = buffers[number % 2][:length]
            if is_data and os.preadv(fd, [piece], start) != length:
                raise changed(extent)
            _wait(running)
            if is_data:
                position = start - extent.offset
                running = [pool.submit(_write, sink, piece, position) for sink in writers if sink.error is None]
                running.append(pool.submit(digester.data, piece))
            else:
                running = [pool.submit(digester.hole, length)]
            if advance:
                advance(length)
        _wait(running)
    _fill_the_rest(sinks, writers)
    return digester.result()


def _wait(running: Sequence[Future[None]]) -> None:
    for future in running:
        future.result()


def _first_of_each_clonable_group(sinks: Sequence[Sink]) -> list[Sink]:
    """The sinks to write; the others can share blocks with one of them afterwards."""
    writers: list[Sink] = []
    for sink in sinks:
        if not any(_same_device(sink.fd, writer.fd) and _share_blocks(sink.fd, writer.fd) for writer in writers):
            writers.append(sink)
    return writers


def _same_device(first: int, second: int) -> bool:
    return os.fstat(first).st_dev == os.fstat(second).st_dev


def _fill_the_rest(sinks: Sequence[Sink], writers: Sequence[Sink]) -> None:
    for sink in sinks:
        if sink in writers:
            continue
        donors = [writer for writer in writers if _same_device(sink.fd, writer.fd)]
        sink.error = donors[0].error
        if sink.error is None and not _share_blocks(sink.fd, donors[0].fd):
            sink.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


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
