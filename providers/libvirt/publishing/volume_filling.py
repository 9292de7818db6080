"""Fills volumes: the first copy of a disk from its source, the others from a copy, each verified at its destination.

A clone by its own host is not read again: that libvirt vouches for it, and a deep scan reads every byte.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reconciler.providers.content_digest import GUEST, ContentDigest
from reconciler.providers.errors import ProviderError, SourceError, Unsupported
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.formats.recognising import recognise
from reconciler.providers.image_files.source_disks import SourceDisk
from reconciler.providers.libvirt.capture.offline_copy import reporting_growth
from reconciler.providers.libvirt.content import streams
from reconciler.providers.libvirt.content.conversion import Converted, converted
from reconciler.providers.libvirt.content.pieces import Digest, Hole, Piece, length_of
from reconciler.providers.libvirt.content.progress import VolumeProgress
from reconciler.providers.libvirt.content.volume_reading import digest_of_volume
from reconciler.providers.libvirt.host.pools import Pool
from reconciler.providers.libvirt.host.volumes import Volume
from reconciler.providers.libvirt.publishing.disks import VolumeDisk
from reconciler.providers.libvirt.records.descriptions import Copy, stamp
from reconciler.providers.libvirt.records.volume_users import require_not_running

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class FilledVolume:
    """What a volume contains: the `facts` to record for its disk, and the size, format and digest of its content."""

    facts: Mapping[str, Any]
    capacity: int
    format: str
    content: ContentDigest

    def copy(self, pool: Pool, name: str, disk: str, replica: int) -> Copy:
        """The record of the complete volume. Raises: ProviderError if it is already gone."""
        return Copy(name, disk, replica, self.capacity, self.format, self.content, stamp(existing(pool, name)))


def existing(pool: Pool, name: str) -> Volume:
    """A volume that was just created. Raises: ProviderError if someone removed it."""
    volume = pool.volume(name)
    if volume is None:
        raise ProviderError(f"{pool}: the volume '{name}' was removed while it was created", "apply again")
    return volume


def from_file(
    disk: SourceDisk, pool: Pool, name: str, disk_format: str, progress: VolumeProgress, *, plain: bool = False
) -> FilledVolume:
    """Converts an image and uploads it. `plain`: both digests are to have the sha256 of all bytes, too.

    Raises: SourceError, ProviderError.
    """
    with converted(disk, disk_format, plain=plain) as image:
        _upload(image, pool, name, progress)
    facts = {
        **image.digest.facts(),
        "size": disk.extent.size,
        "virtualSize": disk.format.virtual_size,
        "format": disk.format.name,
        "source": disk.identity,
        **image.content.facts(GUEST),
    }
    return FilledVolume(facts, image.virtual_size, image.format, image.content)


def from_volume(
    disk: VolumeDisk, pool: Pool, name: str, disk_format: str, progress: VolumeProgress, *, plain: bool = False
) -> FilledVolume:
    """Copies an unpublished volume: its host clones it if possible, which also resolves overlays. `plain` as
    in from_file.

    Raises: SourceError, Unsupported, ProviderError.
    """
    if disk.snapshot or disk.pool.connection is not pool.connection:
        return _from_download(disk, pool, name, disk_format, progress, plain=plain)
    require_not_running(disk.pool.connection, disk.volume)
    advance = progress.part(1, 3, disk.volume.size)
    digest = streams.digest_of_file(disk.pool, disk.volume.name, advance, plain=plain)
    pool.clone(name, disk.pool, disk.volume.name, disk_format)
    _require_same(disk)
    progress.parts_done(2, 3)
    volume = existing(pool, name)
    advance = progress.part(3, 3, disk.volume.capacity)
    content = digest_of_volume(pool, volume, disk.volume.capacity, disk_format, advance, plain=plain)
    facts = {**_facts_of(disk, digest), **content.facts(GUEST)}
    return FilledVolume(facts, disk.volume.capacity, disk_format, content)


def replicate(source: Pool, copy: Copy, pool: Pool, name: str, progress: VolumeProgress) -> None:
    """Creates another volume with the content of a complete copy: within a host by a clone, to another host through a
    stream that passes through this process and is verified at its destination.

    Raises: SourceError if what arrived is not what was recorded; ProviderError.
    """
    size = existing(source, copy.volume).size
    if source.connection is pool.connection:
        with reporting_growth(pool, name, progress.growth(size)):
            pool.clone(name, source, copy.volume)
        progress.parts_done(1, 1)
        return
    pool.create(name, size, "raw")
    streams.transfer(source, copy.volume, pool, name, progress.part(1, 2, size))
    advance = progress.part(2, 2, copy.capacity)
    plain = copy.content.is_plain
    arrived = digest_of_volume(pool, existing(pool, name), copy.capacity, copy.format, advance, plain=plain)
    if not arrived.agrees(copy.content):
        raise SourceError(
            f"what arrived in the {pool} is not the content of the volume '{copy.volume}' in the {source}",
            "run: reconciler drift --deep, to see whether that copy is intact; then apply again",
        )


def _upload(image: Converted, pool: Pool, name: str, progress: VolumeProgress) -> None:
    """Raises: SourceError if what arrived is not what was sent; ProviderError."""
    pool.create(name, image.size, "raw")
    extent = Extent(f"/dev/fd/{image.fd}", 0, image.size, f"the copy to be uploaded to the {pool}")
    streams.upload(pool, name, streams.pieces_of(extent), progress.part(1, 2, image.size))
    volume = existing(pool, name)
    advance = progress.part(2, 2, image.virtual_size)
    if not digest_of_volume(pool, volume, image.virtual_size, image.format, advance).agrees(image.content):
        raise SourceError(
            f"what arrived in the {pool} is not what was sent", "check the disk of that host, then apply again"
        )


def _from_download(
    disk: VolumeDisk, pool: Pool, name: str, disk_format: str, progress: VolumeProgress, *, plain: bool
) -> FilledVolume:
    """By way of this computer, for what the host cannot do itself."""
    if disk.volume.backing_path:
        raise Unsupported(
            f"{disk.label} is an overlay, which only its own host can resolve",
            "add a target region on that host, or flatten the volume there: virsh vol-clone",
        )
    require_not_running(disk.pool.connection, disk.volume)
    with _downloaded(disk, progress, plain=plain) as (fd, digest):
        path = f"/dev/fd/{fd}"
        size = os.fstat(fd).st_size
        image_format = recognise(lambda position, length: os.pread(fd, length, position), size, disk.label)
        downloaded = SourceDisk(disk.disk, Extent(path, 0, size, disk.label), image_format, disk.identity)
        with converted(downloaded, disk_format, snapshot=disk.snapshot, plain=plain) as image:
            _upload(image, pool, name, progress.section(2, 2))
    facts = {**_facts_of(disk, digest), "virtualSize": image.virtual_size, **image.content.facts(GUEST)}
    return FilledVolume(facts, image.virtual_size, image.format, image.content)


@contextmanager
def _downloaded(disk: VolumeDisk, progress: VolumeProgress, *, plain: bool) -> Iterator[tuple[int, ContentDigest]]:
    """A volume in an unnamed temporary file, with its holes, and its digest."""
    digest = Digest(plain=plain)
    with tempfile.TemporaryFile(prefix="reconciler-") as file:
        position = 0

        def keep(piece: Piece) -> None:
            nonlocal position
            digest.add(piece)
            if not isinstance(piece, Hole):
                os.pwrite(file.fileno(), piece, position)
            position += length_of(piece)

        size = streams.download(disk.pool, disk.volume.name, keep, progress.part(1, 2, disk.volume.size))
        os.ftruncate(file.fileno(), size)
        _require_same(disk)
        yield file.fileno(), digest.result()


def _require_same(disk: VolumeDisk) -> None:
    """Raises: SourceError if a source was written to while it was copied."""
    now = disk.pool.volume(disk.volume.name)
    if now is None or stamp(now) != stamp(disk.volume):
        raise SourceError(f"{disk.label} changed while it was copied", "shut down whatever uses it, then apply again")


def _facts_of(disk: VolumeDisk, digest: ContentDigest) -> dict[str, Any]:
    return {
        **digest.facts(),
        "size": disk.volume.size,
        "virtualSize": disk.volume.capacity,
        "format": disk.volume.format,
        "source": disk.identity,
    }
