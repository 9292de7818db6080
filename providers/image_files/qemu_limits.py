"""How much qemu-img may use for one image, and the variables of the environment that allow more."""

from __future__ import annotations

import os

from reconciler.providers.errors import ProviderError
from reconciler.providers.image_files.jail.terms import Limits
from reconciler.providers.image_files.source_disks import SourceDisk

MEMORY_MIB = "RECONCILER_QEMU_IMG_MEMORY_MIB"
MINUTES = "RECONCILER_QEMU_IMG_MINUTES"

_MEMORY_MIB = 2048
"""Of address space: usually about 600 MiB of it are taken; the table of a VHDX of 64 TiB needs 512 MiB more."""

_LEAST_MEMORY_MIB = 512
_LEAST_MINUTES = 10
_SLOWEST_PER_MINUTE = 5 * 60 << 20
"""Bytes that a slow network share reads, and a slow disk writes, in a minute."""

_MOST_COMPRESSED = 1032
"""How many times longer than itself a deflated stream can become at most."""

_TABLES = 64 << 20
_DIGITS = 9


def limits_for(disk: SourceDisk) -> Limits:
    """The limits for one conversion, in proportion to the image. Raises: ProviderError if a variable makes no sense."""
    minutes = _chosen(MINUTES, 1) or _LEAST_MINUTES + _work(disk) // _SLOWEST_PER_MINUTE
    memory_mib = _chosen(MEMORY_MIB, _LEAST_MEMORY_MIB) or _MEMORY_MIB
    return Limits(
        memory=memory_mib << 20,
        processor_s=60 * minutes,
        file_size=disk.format.virtual_size + disk.format.virtual_size // 512 + _TABLES,
        time_s=60 * minutes,
    )


def _work(disk: SourceDisk) -> int:
    """Bytes to write at most: a large disk in a small file is mostly holes."""
    return min(disk.format.virtual_size, _MOST_COMPRESSED * disk.extent.size)


def _chosen(variable: str, least: int) -> int:
    """The number in a variable of the environment; 0 if it is unset or empty."""
    text = os.environ.get(variable, "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < _DIGITS and int(text) >= least):
        raise ProviderError(f"{variable} is not a whole number from {least} on", f"correct it, or unset {variable}")
    return int(text)
