"""Disk images in the format of the pools: converted once, into an unnamed temporary file, before they are uploaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.extents import Extent, opened, pieces
from reconciler.providers.image_files.formats.disk_format import SECTOR
from reconciler.providers.image_files.qemu_img import convert
from reconciler.providers.image_files.scratch import scratch_file
from reconciler.providers.image_files.source_disks import SourceDisk
from reconciler.providers.libvirt.content.guest_content import content
from reconciler.providers.libvirt.content.pieces import Hole, Piece, digest_of


@dataclass(frozen=True, slots=True)
class Converted:
    """A disk in the format of a pool: open as `fd`, a file of `size` bytes, `virtual_size` bytes for a guest. `digest`
    is that of the image it was made from, `content` that of what a guest sees."""

    fd: int
    size: int
    virtual_size: int
    format: str
    digest: ContentDigest
    content: ContentDigest


@contextmanager
def converted(disk: SourceDisk, pool_format: str, snapshot: str = "", *, plain: bool = False) -> Iterator[Converted]:
    """The disk in the pools' format (`qcow2` or `raw`). Its sparse file is in the system's temporary directory, and is
    gone when the block ends or this process dies. `snapshot`: the name of a snapshot in a qcow2 image to convert
    instead of its present state. `plain`: with the sha256 of all bytes in both digests.

    Raises: ProviderError if qemu-img is not installed or has no space; SourceError if the image cannot be read or
    changes meanwhile.
    """
    options = ["-o", "compat=1.1"] if pool_format == "qcow2" else []
    options += ["-l", f"snapshot.name={snapshot}"] if snapshot else []
    with opened(disk.extent) as source, scratch_file(disk) as file:
        digest = convert(source, file, disk, pool_format, *options, plain=plain)
        yield _described(file, disk, pool_format, digest)


def _described(fd: int, disk: SourceDisk, pool_format: str, digest: ContentDigest) -> Converted:
    """Raises: SourceError if the result cannot be read back, or differs from the sectors of a raw image."""
    size, virtual_size = os.fstat(fd).st_size, -(-disk.format.virtual_size // SECTOR) * SECTOR
    label = disk.extent.label
    seen = content(partial(_read, fd), partial(_read_on, fd), pool_format, virtual_size, label)
    guest = digest_of(seen, plain=bool(digest.plain))
    if disk.format.name == "raw" and not guest.agrees(digest):
        raise SourceError(f"the conversion of {label} changed its content", "check the disk that TMPDIR is on")
    return Converted(fd, size, virtual_size, pool_format, digest, guest)


def _read(fd: int, position: int, length: int) -> bytes:
    return os.pread(fd, length, position)


def _read_on(fd: int, position: int, length: int) -> Iterator[Piece]:
    present = min(length, os.fstat(fd).st_size - position)
    for start, many, is_data in pieces(fd, Extent("", position, max(0, present), "")):
        yield os.pread(fd, many, start) if is_data else Hole(many)
