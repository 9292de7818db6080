"""Converts images in formats with a structure of their own (VHDX, qcow2, VMDK, VDI, dynamic VHD) to raw sectors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.image_files.formats.disk_format import DIRECT, EXTENSIONS, SECTOR
from reconciler.providers.image_files.qemu_img import convert
from reconciler.providers.image_files.scratch import scratch_file
from reconciler.providers.image_files.source_disks import SourceDisk

NEEDS_CONVERSION = frozenset(EXTENSIONS) - DIRECT
"""The formats that cannot be read directly."""


@contextmanager
def converted(fd: int, disk: SourceDisk, *, plain: bool) -> Iterator[tuple[int, ContentDigest]]:
    """A descriptor of the disk's sectors, and the digest of the image itself, which is open as `fd`; if `plain` with
    the sha256 of all its bytes.

    The sectors are in a sparse, unnamed file in the system's folder for temporary files. It disappears when the block
    ends, and with this process, however that ends.

    Raises: ProviderError when qemu-img is not installed or has no space; SourceError when it cannot read the image.
    """
    with scratch_file(disk, -(-disk.format.virtual_size // SECTOR) * SECTOR) as file:
        digest = convert(fd, file, disk, "raw", "-n", "--target-is-zero", plain=plain)
        yield file, digest
