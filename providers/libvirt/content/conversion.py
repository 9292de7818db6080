"""Disk images in the format of the pools: converted once, in a file without a name, before they are uploaded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.disk_formats import SECTOR
from reconciler.providers.image_files.extents import PIECE, opened
from reconciler.providers.image_files.image_sources import SourceDisk
from reconciler.providers.image_files.qemu_img import convert
from reconciler.providers.libvirt.content.guest_content import content
from reconciler.providers.libvirt.content.pieces import digest_of


@dataclass(frozen=True, slots=True)
class Converted:
    """A disk as it goes into a pool: open as `fd`, `size` bytes there and `virtual_size` for a machine. `sha256` is the
    digest of the image it was made from, `content` that of what a machine sees."""

    fd: int
    size: int
    virtual_size: int
    format: str
    sha256: str
    content: str


@contextmanager
def converted(disk: SourceDisk, pool_format: str, snapshot: str = "") -> Iterator[Converted]:
    """The disk in the pools' format (`qcow2` or `raw`). Its file is in the system's folder for temporary files, sparse,
    and gone when the block ends, and with this process however that ends. `snapshot`: the state of a qcow2 image under
    that name, instead of its present one.

    Raises: ProviderError when qemu-img is not installed or has no space; SourceError when the image cannot be read or
    changed meanwhile.
    """
    options = ["-o", "compat=1.1"] if pool_format == "qcow2" else []
    options += ["-l", f"snapshot.name={snapshot}"] if snapshot else []
    with opened(disk.extent) as source, tempfile.TemporaryFile(prefix="reconciler-") as file:
        sha256 = convert(source, file.fileno(), disk, pool_format, *options)
        yield _described(file.fileno(), disk, pool_format, sha256)


def _described(fd: int, disk: SourceDisk, pool_format: str, sha256: str) -> Converted:
    """Raises: SourceError when what was written cannot be read again, or has not the sectors of a plain image."""
    size, virtual_size = os.fstat(fd).st_size, -(-disk.format.virtual_size // SECTOR) * SECTOR
    label = disk.extent.label
    seen = digest_of(content(partial(_read, fd), partial(_read_on, fd), pool_format, virtual_size, label))
    if disk.format.name == "raw" and seen != sha256:
        raise SourceError(f"{label} was not converted faithfully", "check the disk of the folder in TMPDIR")
    return Converted(fd, size, virtual_size, pool_format, sha256, seen)


def _read(fd: int, position: int, length: int) -> bytes:
    return os.pread(fd, length, position)


def _read_on(fd: int, position: int, length: int) -> Iterator[bytes]:
    end = position + length
    while position < end and (part := os.pread(fd, min(PIECE, end - position), position)):
        yield part
        position += len(part)
