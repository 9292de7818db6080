"""What a file is as it lies: a disk image, or a compressed one, of which only the beginning is looked at."""

from __future__ import annotations

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.compressed.decoders import Compression, compression_of
from reconciler.providers.image_files.compressed.streams import head_of
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.formats.reading import ReadAt
from reconciler.providers.image_files.formats.recognising import recognise

_HEADERS = ((b"QFI\xfb", "qcow2"), (b"vhdxfile", "vhdx"), (b"KDMV", "vmdk"), (b"conectix", "vhd"))


def recognise_as_it_is(read: ReadAt, size: int, label: str) -> tuple[DiskFormat, Compression | None]:
    """The format of an image of `size` bytes that `read` reads, and how it is compressed.

    Of a compressed one, the format is a phrase such as `qcow2 in xz`, and the virtual size is 0 where only all of the
    image would show it. Raises: SourceError if it is not a disk image, or contains something else.
    """
    compression = compression_of(read(0, 16))
    if compression is None:
        return recognise(read, size, label), None
    return _look_into(head_of(read, size, compression, label), compression, label), compression


def _look_into(head: bytes, compression: Compression, label: str) -> DiskFormat:
    """What an image that begins with `head` seems to be. Raises: SourceError if it is none."""
    inner = compression_of(head)
    if inner is not None or head.startswith(b"ustar", 257):
        what = f"another compressed file ({inner})" if inner else "a tar archive"
        raise SourceError(f"{label} is not a compressed disk image: it contains {what}", "give the disk image itself")
    name = next((name for magic, name in _HEADERS if head.startswith(magic)), "disk image")
    virtual_size = int.from_bytes(head[24:32], "big") if name == "qcow2" else 0
    return DiskFormat(f"{name} in {compression}", virtual_size)
