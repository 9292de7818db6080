"""Where a converted image is kept until it is uploaded: a file without a name."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.providers.errors import ProviderError
from reconciler.providers.image_files.qemu_failures import no_space, too_large
from reconciler.providers.image_files.source_disks import SourceDisk


@contextmanager
def scratch_file(disk: SourceDisk, size: int = 0) -> Iterator[int]:
    """A descriptor of a sparse file of `size` bytes in the system's folder for temporary files, for the conversion of
    a disk. It is gone when the block ends or this process dies.

    Raises: ProviderError if there can be no such file there.
    """
    fd = _opened(disk)
    try:
        _resize(fd, disk, size)
        yield fd
    finally:
        os.close(fd)


def _opened(disk: SourceDisk) -> int:
    try:
        with tempfile.TemporaryFile(prefix="reconciler-") as file:
            return os.dup(file.fileno())
    except OSError as error:
        raise ProviderError(
            f"{disk.extent.label} cannot be converted: there is no folder for temporary files: {error.strerror}",
            "set TMPDIR to a folder that this user may write",
        ) from error


def _resize(fd: int, disk: SourceDisk, size: int) -> None:
    try:
        os.ftruncate(fd, size)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise (no_space if full else too_large)(disk) from error
