"""Unpacks a compressed image into a sparse file without a name, which disappears with this process."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.compressed.decoders import Compression
from reconciler.providers.image_files.compressed.streams import PIECE, unpacked
from reconciler.providers.image_files.extents import Extent, changed, file_identity, opened

GIB = 1 << 30
_BLOCK = 64 << 10
_ZEROS = bytes(_BLOCK)


class UnpackedFile:
    """An unpacked image: `extent` is all of it, and `sha256` the digest of the compressed bytes that it was made from.
    The file exists as long as this object."""

    def __init__(self, descriptor: int, label: str, sha256: str) -> None:
        status = os.fstat(descriptor)
        self.extent = Extent(f"/dev/fd/{descriptor}", 0, status.st_size, label, file_identity(status))
        self.sha256 = sha256
        weakref.finalize(self, os.close, descriptor)


def unpack(
    extent: Extent, compression: Compression, most: int, advance: Callable[[int], None] | None = None
) -> UnpackedFile:
    """Unpacks an extent into an unnamed file in the system's folder for temporary files; blocks of zeros are holes.

    `advance` gets the number of compressed bytes read since the last call. Raises: SourceError if the extent is
    damaged, changes, or unpacks to more than `most` bytes; ProviderError if there is no space.
    """
    hasher = hashlib.sha256()
    with tempfile.TemporaryFile(prefix="reconciler-") as file:
        target = _SparseFile(file.fileno(), extent, most)
        with opened(extent) as source:
            pieces = _read(source, extent, hasher.update, advance)
            for content in unpacked(pieces, compression, extent.label):
                target.append(content)
        target.finish()
        return UnpackedFile(os.dup(file.fileno()), extent.label, hasher.hexdigest())


def digest_of_packed(extent: Extent, advance: Callable[[int], None] | None = None) -> str:
    """The sha256 of the bytes of an extent as they are, as `sha256sum` prints it. Raises: SourceError."""
    hasher = hashlib.sha256()
    with opened(extent) as source:
        for _ in _read(source, extent, hasher.update, advance):
            pass
    return hasher.hexdigest()


def _read(
    source: int, extent: Extent, update: Callable[[bytes], None], advance: Callable[[int], None] | None
) -> Iterator[bytes]:
    end = extent.offset + extent.size
    for position in range(extent.offset, end, PIECE):
        piece = os.pread(source, min(PIECE, end - position), position)
        if len(piece) != min(PIECE, end - position):
            raise changed(extent)
        update(piece)
        yield piece
        if advance:
            advance(len(piece))


class _SparseFile:
    """Appends to a file, to at most `most` bytes; whole blocks of zeros stay holes."""

    def __init__(self, descriptor: int, source: Extent, most: int) -> None:
        self._descriptor = descriptor
        self._source = source
        self._most = most
        self._size = 0
        self._pending = bytearray()

    def append(self, content: bytes) -> None:
        """Raises: SourceError when the file becomes too large; ProviderError if there is no space."""
        self._size += len(content)
        if self._size > self._most:
            raise _too_large(self._source, self._most)
        self._pending += content
        self._write(len(self._pending) // _BLOCK * _BLOCK)

    def finish(self) -> None:
        """Writes the rest, and gives the file its size. Raises: ProviderError if there is no space."""
        self._write(len(self._pending))
        with self._noting_full():
            os.ftruncate(self._descriptor, self._size)

    def _write(self, length: int) -> None:
        position = self._size - len(self._pending)
        for start in range(0, length, _BLOCK):
            block = bytes(self._pending[start : min(start + _BLOCK, length)])
            if block != _ZEROS[: len(block)]:
                with self._noting_full():
                    _write_all(self._descriptor, block, position + start)
        del self._pending[:length]

    @contextmanager
    def _noting_full(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise ProviderError(
                f"{self._source.label} cannot be unpacked: '{tempfile.gettempdir()}' is full",
                f"free more than {self._size} bytes there, or set TMPDIR to another folder",
            ) from error


def _write_all(descriptor: int, block: bytes, position: int) -> None:
    while block:
        written = os.pwrite(descriptor, block, position)
        block, position = block[written:], position + written


def _too_large(extent: Extent, most: int) -> SourceError:
    return SourceError(
        f"{extent.label} unpacks to more than {most / GIB:g} GiB",
        "use another image; or raise `downloads.largestUnpackedGiB` in the settings of whoever runs this",
    )
