"""Converts images with qemu-img from one open file to another, and computes their digest at the same time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from typing import Any

from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.formats.disk_format import SECTOR
from reconciler.providers.image_files.image_sources import SourceDisk

_DRIVERS = {
    "raw": "raw",
    "vhd-fixed": "raw",  # the footer is after the sectors
    "vhd-dynamic": "vpc",
    "vhdx": "vhdx",
    "qcow2": "qcow2",
    "vmdk": "vmdk",
    "vdi": "vdi",
}
"""Format -> the name of QEMU's driver for it."""

_PROGRAM = "qemu-img"


def convert(
    source: int, target: int, disk: SourceDisk, target_format: str, *options: str, plain: bool = False
) -> ContentDigest:
    """Fills the file open as `target` with the disk whose image is open as `source`; returns the digest of the image,
    if `plain` with the sha256 of all its bytes.

    Raises: ProviderError if qemu-img is not installed or has no space; SourceError if it cannot read the image.
    """
    if shutil.which(_PROGRAM) is None:
        raise ProviderError(
            f"{disk.extent.label} is a {disk.format.name} image, and qemu-img, which converts it, is not installed",
            "install it (Debian and Ubuntu: apt-get install qemu-utils)",
        )
    process = _start(source, target, disk, ["-O", target_format, *options])
    try:
        digest = digest_extent(disk.extent, plain=plain)
        _, output = process.communicate()
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode != 0:
        raise _failure(disk, output.decode("utf-8", "replace"))
    return digest


def _start(source: int, target: int, disk: SourceDisk, options: list[str]) -> subprocess.Popen[bytes]:
    """Both files are passed as descriptors, so that the file that was recognised is the one converted."""
    names = [f"json:{json.dumps(_image(source, disk))}", f"/dev/fd/{target}"]
    return subprocess.Popen(
        [_PROGRAM, "convert", "-q", *options, *names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(source, target),
    )


def _image(source: int, disk: SourceDisk) -> dict[str, Any]:
    """The image for QEMU's block layer: a whole file, or an extent of one, in whole sectors."""
    driver = _DRIVERS[disk.format.name]
    size = disk.format.virtual_size if driver == "raw" else disk.extent.size
    file: dict[str, Any] = {"driver": "file", "filename": f"/dev/fd/{source}"}
    if driver == "raw" or size != os.fstat(source).st_size:
        whole = -(-size // SECTOR) * SECTOR  # in an archive padding follows
        file = {"driver": "raw", "offset": disk.extent.offset, "size": whole, "file": file}
    if driver == "raw":
        return file
    image = {"driver": driver, "file": file}
    if driver == "vpc":
        image["force_size_calc"] = "current_size"  # the size in the footer, as Azure and Hyper-V read it
    return image


def _failure(disk: SourceDisk, output: str) -> ProviderError:
    why = " ".join(output.split()) or "it gave no reason"
    if "No space left" in why:
        folder = tempfile.gettempdir()
        return ProviderError(
            f"{disk.extent.label} cannot be converted: '{folder}' is full",
            f"free {disk.format.virtual_size} bytes there, or set TMPDIR to another folder",
        )
    return SourceError(f"{disk.extent.label} cannot be converted: {why}", "check it with: qemu-img check IMAGE")
