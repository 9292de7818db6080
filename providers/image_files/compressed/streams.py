"""Compressed bytes as a stream of unpacked ones: bounded in memory, whole streams only."""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Iterator

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.compressed.decoders import Compression, decoding_errors, new_decoder
from reconciler.providers.image_files.formats.reading import ReadAt

PIECE = 1 << 20
HEAD = 4096
_READ_FOR_HEAD = 4 << 20
"""Bytes: a block of bzip2 is at most 900 KB, and unpacks only as a whole."""

_NAMES = {
    Compression.GZIP: "gzip",
    Compression.XZ: "xz",
    Compression.BZIP2: "bzip2",
    Compression.ZSTD: "zstd",
}


def unpacked(pieces: Iterable[bytes], compression: Compression, label: str) -> Iterator[bytes]:
    """The unpacked bytes of all streams in these pieces, in pieces of a few MiB at most, none of them empty.

    A file may hold several streams after one another, with zeros between and after them. Raises: SourceError if it is
    damaged, cut short, followed by something else, or needs too much memory.
    """
    decoder = None
    for piece in pieces:
        data = piece
        while data:
            if decoder is None:
                data = data.lstrip(b"\0")
                if not data:
                    break
                decoder = new_decoder(compression, label)
            try:
                content = decoder.decompress(data, PIECE)
                while content or not (decoder.eof or decoder.needs_input):
                    if content:
                        yield content
                    content = b"" if decoder.eof or decoder.needs_input else decoder.decompress(b"", PIECE)
            except decoding_errors() as error:
                raise _damaged(label, compression, error) from error
            data = decoder.unused_data if decoder.eof else b""
            decoder = None if decoder.eof else decoder
    if decoder is not None:
        raise SourceError(
            f"{label} is compressed with {_NAMES[compression]} and cut short", "fetch or build the image again"
        )


def head_of(read: ReadAt, size: int, compression: Compression, label: str) -> bytes:
    """The first bytes of the image in a compressed file, HEAD of them unless it is shorter. Only the beginning of the
    file is read. Raises: SourceError."""

    def beginning() -> Iterator[bytes]:
        for position in range(0, min(size, _READ_FOR_HEAD), HEAD):
            yield read(position, min(HEAD, size - position))

    head = b""
    for content in unpacked(beginning(), compression, label):
        head += content[: HEAD - len(head)]
        if len(head) == HEAD:
            break
    return head


def _damaged(label: str, compression: Compression, error: Exception) -> SourceError:
    name, why = _NAMES[compression], str(error)
    if (isinstance(error, lzma.LZMAError) and "emory" in why) or "too much memory" in why or "indow" in why:
        return SourceError(
            f"{label} is compressed with {name} and needs more memory to unpack than is allowed",
            "compress it again with a smaller dictionary or window: xz -9, or zstd without --long or --ultra",
        )
    return SourceError(f"{label} is compressed with {name} and damaged: {why}", "fetch or build the image again")
