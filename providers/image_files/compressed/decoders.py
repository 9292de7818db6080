"""Decoders of gzip, xz, bzip2 and zstd behind one shape: each takes bytes and gives at most so many at a time."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol

from reconciler.manifests.installation import install_extra
from reconciler.providers.errors import SourceError

XZ_MEMORY = 160 << 20
"""Bytes that an xz stream may demand: `xz -9` needs 65 MiB."""

ZSTD_WINDOW_LOG = 27
"""128 MiB, the largest window that zstd itself unpacks without being asked for more."""

_ZSTD_SLICE = 1 << 10
"""Bytes given to zstd at a time. Four of them may unpack to 128 KiB, and python-zstandard has no bound on output."""


class Compression(StrEnum):
    """How a file is compressed, by the usual ending of its name."""

    GZIP = "gz"
    XZ = "xz"
    BZIP2 = "bz2"
    ZSTD = "zst"


class Decoder(Protocol):
    """Decompresses one stream, as `bz2.BZ2Decompressor` does."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def compression_of(head: bytes) -> Compression | None:
    """How a file that begins with these bytes (16 are enough) is compressed; None if it is not.

    Sources: RFC 1952, the .xz file format 1.2.0, RFC 8878; bzip2 has no specification: its block and end marks.
    """
    if head.startswith(b"\x1f\x8b\x08"):
        return Compression.GZIP
    if head.startswith(b"\xfd7zXZ\x00"):
        return Compression.XZ
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return Compression.ZSTD
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return Compression.BZIP2
    return None


def new_decoder(compression: Compression, label: str) -> Decoder:
    """A decoder of one stream. Raises: SourceError if nothing that is installed unpacks zstd."""
    match compression:
        case Compression.GZIP:
            return _Gzip()
        case Compression.XZ:
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
        case Compression.BZIP2:
            return bz2.BZ2Decompressor()
        case Compression.ZSTD:
            return _zstd(label)


def decoding_errors() -> tuple[type[Exception], ...]:
    """What decoders raise for bytes that are damaged or demand too much."""
    module = sys.modules.get("zstandard")
    zstd = (module.ZstdError,) if module is not None else ()
    return (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError, *zstd)


class _Gzip:
    """One member of a gzip file."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._more = False

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._more

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        most = max(0, max_length)
        content = self._inflate.decompress(self._inflate.unconsumed_tail + data, most)
        self._more = bool(self._inflate.unconsumed_tail) or 0 < most <= len(content)
        return content


class _Zstandard:
    """One frame of a zstd file, by python-zstandard: input in slices, as its output has no bound."""

    def __init__(self, decompressor: Any) -> None:
        self._frame = decompressor.decompressobj()
        self._pending = b""

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    @property
    def needs_input(self) -> bool:
        return not self._pending

    @property
    def unused_data(self) -> bytes:
        return bytes(self._frame.unused_data) + self._pending

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:  # noqa: ARG002 - the slice is the bound
        data = self._pending + data
        given, self._pending = data[:_ZSTD_SLICE], data[_ZSTD_SLICE:]
        return bytes(self._frame.decompress(given))


def _zstd(label: str) -> Decoder:
    try:
        import zstandard
    except ImportError as error:
        raise SourceError(
            f"{label} is compressed with zstd, and the library that unpacks it is not installed",
            f"install it, in reconciler's checkout: {install_extra('zstd')}; or unpack the image with: zstd -d",
        ) from error
    make: Callable[..., Any] = zstandard.ZstdDecompressor
    return _Zstandard(make(max_window_size=1 << ZSTD_WINDOW_LOG))
