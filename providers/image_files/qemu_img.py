"""Converts images with qemu-img from one open file to another, and computes their digest at the same time.

This is the only place that runs qemu-img, and it runs in the jail: a stranger may have made the image.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from typing import Any

from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.formats.disk_format import SECTOR
from reconciler.providers.image_files.qemu_failures import failure
from reconciler.providers.image_files.qemu_limits import limits_for
from reconciler.providers.image_files.source_disks import SourceDisk

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

    Raises: ProviderError if qemu-img is not installed, has no space or reaches a limit; SourceError if it cannot read
    the image.
    """
    from reconciler.providers.image_files.jail.running import Ended, JailError, start

    program, limits = _program(disk), limits_for(disk)
    try:
        with start(
            program, _arguments(source, target, disk, target_format, options), (source, target), limits
        ) as jailed:
            digest = digest_extent(disk.extent, lambda _: jailed.check(), plain=plain)
            result = jailed.wait()
    except Ended as ended:
        result = ended.result
    except JailError as error:
        raise ProviderError(
            f"{disk.extent.label} cannot be converted: qemu-img could not be started in its jail: {error}",
            f"check that '{program}' is the program itself, not a script that starts it",
        ) from error
    if result.code != 0:
        raise failure(disk, target, result, limits)
    return digest


def _program(disk: SourceDisk) -> str:
    found = shutil.which(_PROGRAM)
    if found is None:
        raise ProviderError(
            f"{disk.extent.label} is a {disk.format.name} image, and qemu-img, which converts it, is not installed",
            "install it (Debian and Ubuntu: apt-get install qemu-utils)",
        )
    return os.path.realpath(found)


def _arguments(source: int, target: int, disk: SourceDisk, target_format: str, options: Sequence[str]) -> list[str]:
    """Both files are passed as descriptors, so that the file that was recognised is the one converted."""
    names = [f"json:{json.dumps(_image(source, disk))}", f"/dev/fd/{target}"]
    return ["convert", "-q", "-O", target_format, *options, *names]


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
    image = {"driver": driver, "file": file, "backing": None}  # whatever the image says of another one
    if driver == "vpc":
        image["force_size_calc"] = "current_size"  # the size in the footer, as Azure and Hyper-V read it
    return image
