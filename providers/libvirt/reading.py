"""The content of volumes, looked at in place: any part of one, and the digest of what a machine sees on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from providers.disk_formats import ReadAt
from providers.errors import SourceError
from providers.libvirt.content import content_digest

if TYPE_CHECKING:
    from providers.libvirt.pools import Pool
    from providers.libvirt.volumes import Volume


def reader(pool: Pool, volume: Volume) -> ReadAt:
    """Reads (position, length) of a volume's file; short at its end. Raises, when called: Unavailable."""
    import libvirt

    def read(position: int, length: int) -> bytes:
        length = min(length, volume.size - position)
        if length <= 0:
            return b""
        with pool.asking_volume(volume.name, "reading") as found:
            stream = found.connect().newStream(0)
            found.download(stream, position, length, 0)
            parts = list(iter(lambda: stream.recv(libvirt.virStorageVol.streamBufSize), b""))
            stream.finish()
        return b"".join(parts)

    return read


def digest_of_volume(
    pool: Pool, volume: Volume, size: int, disk_format: str, advance: Callable[[int], None] | None = None
) -> str:
    """The sha256 of what a machine sees on a volume that holds a disk of `size` bytes in that format. `advance` is told
    the bytes of the disk gone through.

    Raises: SourceError when that cannot be read any more; Unavailable.
    """
    label = f"the volume '{volume.name}' in the {pool}"
    if disk_format == "raw":
        from providers.libvirt import streams

        if volume.size != size:
            raise SourceError(f"{label} has {volume.size} bytes of {size}", "plan again: it is made anew")
        return streams.sha256_of(pool, volume.name, advance)
    return content_digest(reader(pool, volume), disk_format, size, label, advance)
