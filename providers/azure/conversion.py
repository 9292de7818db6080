"""Images whose files are laid out in a way of their own (VHDX, qcow2, VMDK, dynamic VHD), as plain sectors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from providers.errors import ProviderError, SourceError
from providers.image_files.copying import digest_extent
from providers.image_files.sources import SourceDisk

NEEDS_CONVERSION = {"vhd-dynamic": "vpc", "vhdx": "vhdx", "qcow2": "qcow2", "vmdk": "vmdk"}
"""Format -> the name of QEMU's driver for it."""

_PROGRAM = "qemu-img"


@contextmanager
def converted(fd: int, disk: SourceDisk) -> Iterator[tuple[int, str]]:
    """A descriptor of the disk's sectors, and the sha256 of the image itself, which is open as `fd`.

    The sectors are in a sparse file without a name in the system's folder for temporary files: it is gone when the
    block ends, and with this process however that ends.

    Raises: ProviderError when qemu-img is not installed or has no space; SourceError when it cannot read the image.
    """
    if shutil.which(_PROGRAM) is None:
        raise ProviderError(
            f"{disk.extent.label} is a {disk.format.name} image, and qemu-img, which converts it, is not installed",
            "install it (Debian and Ubuntu: apt-get install qemu-utils), or give a raw image or a fixed VHD",
        )
    with tempfile.TemporaryFile(prefix="reconciler-") as file:
        os.ftruncate(file.fileno(), -(-disk.format.virtual_size // 512) * 512)
        process = _start(fd, file.fileno(), disk)
        try:
            sha256 = digest_extent(disk.extent)
            _, said = process.communicate()
        except BaseException:
            process.kill()
            process.communicate()
            raise
        if process.returncode != 0:
            raise _failure(disk, said.decode("utf-8", "replace"))
        yield file.fileno(), sha256


def _start(source: int, target: int, disk: SourceDisk) -> subprocess.Popen[bytes]:
    """Both files are named by their descriptors, so that what is converted is what was recognised."""
    stretch = {"driver": "raw", "offset": disk.extent.offset, "size": disk.extent.size}
    image = {
        "driver": NEEDS_CONVERSION[disk.format.name],
        "file": {**stretch, "file": {"driver": "file", "filename": f"/dev/fd/{source}"}},
    }
    if image["driver"] == "vpc":
        image["force_size_calc"] = "current_size"  # what the footer says, as Azure and Hyper-V read it
    names = [f"json:{json.dumps(image)}", f"/dev/fd/{target}"]
    return subprocess.Popen(
        [_PROGRAM, "convert", "-q", "-n", "--target-is-zero", "-O", "raw", *names],
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
