"""Reads volumes in place: any part of one, and the digest of what a guest sees on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.reading import ReadAt
from reconciler.providers.libvirt.content.guest_content import content
from reconciler.providers.libvirt.content.pieces import Advance, digest_of

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.host.volumes import Volume


def reader(pool: Pool, volume: Volume) -> ReadAt:
    """A function that reads (position, length) of a volume's file, less at its end. It raises Unavailable."""
    read_on = _read_on(pool, volume)
    return lambda position, length: b"".join(read_on(position, length))


def _read_on(pool: Pool, volume: Volume) -> Callable[[int, int], Iterator[bytes]]:
    def read_on(position: int, length: int) -> Iterator[bytes]:
        from reconciler.providers.libvirt.content import streams

        length = min(length, volume.size - position)
        if length > 0:
            yield from streams.stretch(pool, volume.name, position, length)

    return read_on


def digest_of_volume(
    pool: Pool, volume: Volume, size: int, disk_format: str, advance: Advance | None = None, *, plain: bool = False
) -> ContentDigest:
    """The digest of what a guest sees on a volume that contains a disk of `size` bytes in that format, if `plain` with
    the sha256 of all its bytes. `advance` gets the bytes of the disk as they are read.

    Raises: SourceError if the volume is damaged; Unavailable.
    """
    label = f"the volume '{volume.name}' in the {pool}"
    if disk_format == "raw":
        from reconciler.providers.libvirt.content import streams

        if volume.size != size:
            raise SourceError(f"{label} has {volume.size} bytes, not {size}", "plan again: it will be recreated")
        return streams.digest_of_file(pool, volume.name, advance, plain=plain)
    found = content(reader(pool, volume), _read_on(pool, volume), disk_format, size, label)
    return digest_of(found, advance, plain=plain)
