"""Disk images in the format of the pools: converted once, into an unnamed temporary file, before they are uploaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.extents import PIECE, opened
from reconciler.providers.image_files.formats.disk_format import SECTOR
from reconciler.providers.image_files.image_sources import SourceDisk
from reconciler.providers.image_files.qemu_img import convert
from reconciler.providers.image_files.scratch import scratch_file
from reconciler.providers.libvirt.content.guest_content import content
from reconciler.providers.libvirt.content.pieces import digest_of


@dataclass(frozen=True, slots=True)
class Converted:
    """A disk in the format of a pool: open as `fd`, a file of `size` bytes, `virtual_size` bytes for a guest. `sha256`
    is the digest of the image it was made from, `content` that of what a guest sees."""

    fd: int
    size: int
    virtual_size: int
    format: str
    sha256: str
    content: str


@contextmanager
def converted(disk: SourceDisk, pool_format: str, snapshot: str = "") -> Iterator[Converted]:
    """The disk in the pools' format (`qcow2` or `raw`). Its sparse file is in the system's temporary directory, and is
    gone when the block ends or this process dies. `snapshot`: the name of a snapshot in a qcow2 image to convert
    instead of its present state.

    Raises: ProviderError if qemu-img is not installed or has no space; SourceError if the image cannot be read or
    changes meanwhile.
    """
    options = ["-o", "compat=1.1"] if pool_format == "qcow2" else []
    options += ["-l", f"snapshot.name={snapshot}"] if snapshot else []
    with opened(disk.extent) as source, scratch_file(disk) as file:
        sha256 = convert(source, file, disk, pool_format, *options)
        yield _described(file, disk, pool_format, sha256)


def _described(fd: int, disk: SourceDisk, pool_format: str, sha256: str) -> Converted:
    """Raises: SourceError if the result cannot be read back, or differs from the sectors of a raw image."""
    size, virtual_size = os.fstat(fd).st_size, -(-disk.format.virtual_size // SECTOR) * SECTOR
    label = disk.extent.label
    digest = digest_of(content(partial(_read, fd), partial(_read_on, fd), pool_format, virtual_size, label))
    if disk.format.name == "raw" and digest != sha256:
        raise SourceError(f"the conversion of {label} changed its content", "check the disk that TMPDIR is on")
    return Converted(fd, size, virtual_size, pool_format, sha256, digest)


def _read(fd: int, position: int, length: int) -> bytes:
    return os.pread(fd, length, position)


def _read_on(fd: int, position: int, length: int) -> Iterator[bytes]:
    end = position + length
    while position < end and (part := os.pread(fd, min(PIECE, end - position), position)):
        yield part
        position += len(part)
