"""`read_contents`: what is on a disk, by a bounded number of its blocks; `contents_of`: the same of a source."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import replace

from reconciler.providers.errors import SourceError
from reconciler.providers.image_contents import ImageContents, Partition, Table
from reconciler.providers.image_files.contents.fat import efi_loaders
from reconciler.providers.image_files.contents.signatures import content_at
from reconciler.providers.image_files.contents.tables import find_table, with_content
from reconciler.providers.image_files.extents import Extent, opened
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.formats.reading import ReadAt
from reconciler.providers.image_files.guest_blocks.blocks import Unmapped
from reconciler.providers.image_files.guest_blocks.mapping import guest_reader

_MOST_PARTITIONS = 128
_MOST_LOOKED_INTO = 24
"""Partitions whose first blocks are read: real disks have fewer."""


def contents_of(extent: Extent, disk_format: DiskFormat) -> ImageContents:
    """What is on the disk whose image is in `extent`. What cannot be read makes `unread` say why; nothing is raised.

    What is required of the extent is not checked: for that all of it would have to be read.
    """
    try:
        with opened(replace(extent, requirement=None)) as fd:

            def read(position: int, length: int) -> bytes:
                return os.pread(fd, max(0, min(length, extent.size - position)), extent.offset + position)

            return read_contents(guest_reader(read, extent.size, disk_format), disk_format.virtual_size)
    except Unmapped as unmapped:
        return ImageContents(unread=str(unmapped))
    except SourceError as error:
        return ImageContents(unread=error.message)
    except (struct.error, zlib.error):
        return ImageContents(unread="a block of its disk is damaged")


def read_contents(read: ReadAt, size: int) -> ImageContents:
    """What is on a disk of `size` bytes, whose blocks `read` reads."""
    found = find_table(read, size)
    if found.table is Table.NONE:
        content = content_at(read, 0)
        return ImageContents(bios=found.starts_bios and not content, content=content)
    partitions = found.partitions[:_MOST_PARTITIONS]
    problems = found.problems[:_MOST_LOOKED_INTO]
    if len(found.partitions) > _MOST_PARTITIONS:
        problems = (
            *problems,
            f"it has {len(found.partitions)} partitions, of which the first {_MOST_PARTITIONS} are shown",
        )
    loaders = {
        architecture
        for partition in partitions[:_MOST_LOOKED_INTO]
        if partition.number in found.efi and partition.start < size
        for architecture in efi_loaders(read, partition.start)
    }
    return ImageContents(
        table=found.table,
        sector_size=found.sector_size,
        partitions=tuple(_looked_into(read, size, number, one) for number, one in enumerate(partitions)),
        bios=found.starts_bios,
        has_esp=bool(found.efi),
        efi=tuple(sorted(loaders)),
        problems=problems,
    )


def _looked_into(read: ReadAt, size: int, number: int, partition: Partition) -> Partition:
    if number >= _MOST_LOOKED_INTO or partition.start >= size or partition.type == "extended":
        return partition
    return with_content(partition, content_at(read, partition.start))
