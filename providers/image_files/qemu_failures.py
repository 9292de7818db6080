"""Why qemu-img could not convert an image, and what to do. What it writes itself is data: cut and cleaned."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Callable

from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.jail.terms import Limit, Limits, Result
from reconciler.providers.image_files.qemu_limits import MEMORY_MIB, MINUTES
from reconciler.providers.image_files.source_disks import SourceDisk

_CHECKED_BY_QEMU_IMG = {"qcow2": "qcow2", "vhdx": "vhdx", "vdi": "vdi", "parallels": "parallels"}
"""Format -> QEMU's name of it, where `qemu-img check` knows more than "no checks" and follows no name in the image."""

_LONGEST = 300
_GRAPH = re.compile(r"'?json:\{[^']*\}'?")
_DESCRIPTOR = re.compile(r"'?/dev/fd/(\d+)'?")
_FULL = ("No space left", "Disk quota exceeded")
_TRUST = "if you trust the image"


def failure(disk: SourceDisk, target: int, result: Result, limits: Limits) -> ProviderError:
    """The error for a conversion into the descriptor `target` that did not succeed."""
    if result.limit is not None:
        return _LIMITS[result.limit](disk, limits)
    if any(words in result.output for words in _FULL):
        return no_space(disk)
    if "File too large" in result.output:
        return _too_long(disk, limits) if _could_hold(target, limits.file_size) else too_large(disk)
    if result.signal:
        return _killed(disk, result.signal)
    said = said_of(result.output, target) if result.output.strip() else "nothing"
    return SourceError(f"{disk.extent.label} cannot be converted: qemu-img says {said}", _check(disk))


def _could_hold(target: int, size: int) -> bool:
    """Whether the file system takes a file of this size, so that the limit of the jail was in the way. QEMU's threads
    block the signal that would say so. What is in the file is worthless by now."""
    try:
        os.ftruncate(target, size)
    except OSError:
        return False
    return True


def no_space(disk: SourceDisk) -> ProviderError:
    """The error for a full folder of temporary files."""
    return ProviderError(
        f"{disk.extent.label} cannot be converted: '{tempfile.gettempdir()}' is full",
        f"free {disk.format.virtual_size} bytes there, or set TMPDIR to another folder",
    )


def too_large(disk: SourceDisk) -> ProviderError:
    """The error for a file system whose files cannot be that long, or a limit of the user's."""
    return ProviderError(
        f"{disk.extent.label} cannot be converted: no file in '{tempfile.gettempdir()}' can have the"
        f" {disk.format.virtual_size} bytes of its disk",
        "set TMPDIR to a folder on a file system for larger files, such as XFS, and check: ulimit -f",
    )


def said_of(output: str, target: int) -> str:
    """What qemu-img said, on one line that is not too long, without the names that only it was given."""
    text = " ".join(output.replace("qemu-img: ", " ").split())
    text = _GRAPH.sub("the image", text)
    text = _DESCRIPTOR.sub(lambda found: "the result" if int(found[1]) == target else "the image", text)
    text = "".join(character if character.isprintable() else "?" for character in text)
    return f'"{text}"' if len(text) <= _LONGEST else f'"{text[:_LONGEST]}…"'


def _check(disk: SourceDisk) -> str:
    name, extent = _CHECKED_BY_QEMU_IMG.get(disk.format.name), disk.extent
    if not _is_whole_file(disk):
        return f"fetch or export {shlex.quote(extent.path)} again"
    if name is None:
        return "fetch or build the image again"
    return f"check it with: qemu-img check -f {name} {shlex.quote(extent.path)}"


def _is_whole_file(disk: SourceDisk) -> bool:
    try:
        return disk.extent.offset == 0 and os.stat(disk.extent.path).st_size == disk.extent.size
    except OSError:
        return False


def _too_slow(disk: SourceDisk, limits: Limits) -> ProviderError:
    minutes = round(limits.time_s / 60)
    return ProviderError(
        f"{disk.extent.label} cannot be converted: qemu-img was not done after {minutes} minutes, and was stopped",
        f"{_TRUST}, allow more: {MINUTES}={4 * minutes}",
    )


def _too_much_work(disk: SourceDisk, limits: Limits) -> ProviderError:
    minutes = limits.processor_s // 60
    return ProviderError(
        f"{disk.extent.label} cannot be converted: qemu-img used {minutes} minutes of processor time, and was stopped",
        f"{_TRUST}, allow more: {MINUTES}={4 * minutes}",
    )


def _too_much_memory(disk: SourceDisk, limits: Limits) -> ProviderError:
    mib = limits.memory >> 20
    return ProviderError(
        f"{disk.extent.label} cannot be converted: qemu-img needs more than {mib} MiB of memory for it",
        f"{_TRUST}, allow more: {MEMORY_MIB}={2 * mib}",
    )


def _too_long(disk: SourceDisk, limits: Limits) -> ProviderError:
    return SourceError(
        f"{disk.extent.label} cannot be converted: qemu-img was stopped when it wrote beyond {limits.file_size} bytes,"
        f" although the disk has {disk.format.virtual_size}",
        "fetch or build the image again",
    )


_LIMITS: dict[Limit, Callable[[SourceDisk, Limits], ProviderError]] = {
    Limit.TIME: _too_slow,
    Limit.PROCESSOR: _too_much_work,
    Limit.MEMORY: _too_much_memory,
    Limit.FILE_SIZE: _too_long,
}


def _killed(disk: SourceDisk, signal: str) -> ProviderError:
    if signal == "SIGKILL":
        return ProviderError(
            f"{disk.extent.label} cannot be converted: qemu-img was killed by the system or by somebody",
            "look for 'Out of memory' in the kernel's log (dmesg), free some, and apply again",
        )
    if signal == "SIGSYS":
        return SourceError(
            f"{disk.extent.label} cannot be converted: qemu-img tried to start another program, and was killed",
            "do not use this image: it may be an attack",
        )
    return SourceError(f"{disk.extent.label} cannot be converted: qemu-img crashed ({signal})", _check(disk))
