"""Raw disks: what nothing else is."""

from __future__ import annotations

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import SECTOR, DiskFormat
from reconciler.providers.image_files.formats.reading import ImageReader


def raw(image: ImageReader, head: bytes) -> DiskFormat:
    """The format of an image that no other module recognised. Raises: SourceError if it is not a disk either."""
    if _is_text(head):
        raise SourceError(f"{image.label} is not a disk image: it is text", "give the disk image itself")
    if image.size % SECTOR:
        raise SourceError(
            f"{image.label} is not a disk image: {image.size} bytes are not a multiple of {SECTOR}, and it has no "
            "known header",
            "the file may be cut short: fetch or build it again",
        )
    return DiskFormat("raw", image.size)


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode()
    return all(character.isprintable() or character in "\r\n\t\f" for character in text)
