"""What each backend that reads files does with a disk image when a version is published from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.providers.azure.disk_limits import LARGEST_DISK_BYTES
from reconciler.providers.image_contents import ImageContents
from reconciler.providers.image_files.formats.disk_format import DIRECT, SECTOR, DiskFormat

_MIB, _GIB = 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Use:
    """`does` is what a provider does with the disk, `problem` why that fails or is of no use; empty if nothing is known
    to be wrong. `needs_qemu_img`: it starts that program."""

    provider: str
    does: str
    problem: str = ""
    needs_qemu_img: bool = False


def uses_of(disk_format: DiskFormat, contents: ImageContents | None, *, packed: bool = False) -> Iterator[Use]:
    """What local, azure, emulator and libvirt do, in this order. `packed`: with an image that is compressed."""
    first = "unpacked, then " if packed else ""
    sectors = _sectors(contents)
    yield Use("local", f"{first}copied as it is", sectors)
    for name in ("azure", "emulator"):
        yield Use(
            name, first + _fixed_vhd(disk_format), _too_large(disk_format) or sectors, disk_format.name not in DIRECT
        )
    yield Use("libvirt", f"{first}converted to the format of the pool, qcow2 or raw", sectors, needs_qemu_img=True)


def _fixed_vhd(disk_format: DiskFormat) -> str:
    size = f"a fixed VHD of {-(-disk_format.virtual_size // _MIB):,} MiB"
    limited = disk_format.virtual_size > LARGEST_DISK_BYTES["Full"]
    mode = ", with replicationMode: Shallow only" if limited else ""
    if disk_format.name in DIRECT:
        return f"uploaded as {size}{mode}"
    return f"converted to {size} and uploaded{mode}"


def _too_large(disk_format: DiskFormat) -> str:
    most = max(LARGEST_DISK_BYTES.values())
    if disk_format.virtual_size <= most:
        return ""
    return f"the disk is larger than {most // _GIB:,} GiB, the most that Azure takes"


def _sectors(contents: ImageContents | None) -> str:
    if contents is None or contents.sector_size <= SECTOR:
        return ""
    return f"its GPT is for sectors of {contents.sector_size} bytes, and disks of machines have sectors of {SECTOR}"
