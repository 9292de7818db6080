"""Disk images in the format of the pools: converted once, in a file without a name, before they are uploaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from providers.errors import ProviderError, SourceError
from providers.image_files.copying import digest_extent
from providers.image_files.extents import opened
from providers.image_files.sources import SourceDisk
from providers.libvirt.content import content_digest

_DRIVERS = {
    "raw": "raw",
    "vhd-fixed": "raw",  # the footer is after the sectors
    "vhd-dynamic": "vpc",
    "vhdx": "vhdx",
    "qcow2": "qcow2",
    "vmdk": "vmdk",
}
_PROGRAM = "qemu-img"


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
    if shutil.which(_PROGRAM) is None:
        raise ProviderError(
            f"{disk.extent.label} has to be converted, and qemu-img is not installed",
            "install it (Debian and Ubuntu: apt-get install qemu-utils)",
        )
    with opened(disk.extent) as source, tempfile.TemporaryFile(prefix="reconciler-") as file:
        process = _start(source, file.fileno(), disk, pool_format, snapshot)
        try:
            sha256 = digest_extent(disk.extent)
            _, said = process.communicate()
        except BaseException:
            process.kill()
            process.communicate()
            raise
        if process.returncode != 0:
            raise _failure(disk, said.decode("utf-8", "replace"))
        yield _described(file.fileno(), disk, pool_format, sha256)


def _described(fd: int, disk: SourceDisk, pool_format: str, sha256: str) -> Converted:
    """Raises: SourceError when what was written cannot be read again, or has not the sectors of a plain image."""
    size, virtual_size = os.fstat(fd).st_size, -(-disk.format.virtual_size // 512) * 512
    content = content_digest(
        lambda position, length: os.pread(fd, length, position), pool_format, virtual_size, disk.extent.label
    )
    if disk.format.name == "raw" and content != sha256:
        raise SourceError(f"{disk.extent.label} was not converted faithfully", "check the disk of the folder in TMPDIR")
    return Converted(fd, size, virtual_size, pool_format, sha256, content)


def _start(source: int, target: int, disk: SourceDisk, pool_format: str, snapshot: str) -> subprocess.Popen[bytes]:
    """Both files are named by their descriptors, so that what is converted is what was recognised."""
    driver = _DRIVERS[disk.format.name]
    size = disk.format.virtual_size if driver == "raw" else disk.extent.size
    file: dict[str, Any] = {"driver": "file", "filename": f"/dev/fd/{source}"}
    if driver == "raw" or size != os.fstat(source).st_size:
        whole = -(-size // 512) * 512  # nothing else is taken; in an archive what follows is padding
        file = {"driver": "raw", "offset": disk.extent.offset, "size": whole, "file": file}
    image = file if driver == "raw" else {"driver": driver, "file": file}
    if driver == "vpc":
        image["force_size_calc"] = "current_size"  # what the footer says, as Azure and Hyper-V read it
    options = ["-o", "compat=1.1"] if pool_format == "qcow2" else []
    options += ["-l", f"snapshot.name={snapshot}"] if snapshot else []
    names = [f"json:{json.dumps(image)}", f"/dev/fd/{target}"]
    return subprocess.Popen(
        [_PROGRAM, "convert", "-q", "-O", pool_format, *options, *names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(source, target),
    )


def _failure(disk: SourceDisk, said: str) -> ProviderError:
    why = " ".join(said.split()) or "it did not say why"
    if "No space left" in why:
        folder = tempfile.gettempdir()
        return ProviderError(
            f"{disk.extent.label} cannot be converted: '{folder}' is full",
            f"make room for {disk.format.virtual_size} bytes there, or name another folder in TMPDIR",
        )
    return SourceError(f"{disk.extent.label} cannot be converted: {why}", "check it with: qemu-img check IMAGE")
