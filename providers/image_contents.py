"""`ImageContents`: what the disk in an image contains, as far as its first and last blocks show it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Table(StrEnum):
    """The partition table of a disk."""

    NONE = "none"
    MBR = "mbr"
    GPT = "gpt"
    HYBRID = "hybrid"  # a GPT whose partitions are in the MBR as well


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: `start` and `size` in bytes, `type` is a name, or its number or GUID. `content` is what its first
    blocks look like, such as `ext4` or `LUKS`; empty if that is not known."""

    number: int
    start: int
    size: int
    type: str
    content: str = ""
    active: bool = False


@dataclass(frozen=True, slots=True)
class ImageContents:
    """What a guest would find on its disk.

    `sector_size` is the size in bytes of the logical sectors that the table was made for; 0 without a table. `bios`:
    there is code that a BIOS starts. `efi` has the architectures (`x64`, `Arm64`, `x86`) of the loaders that a UEFI
    starts by itself. `has_esp`: there is a partition for them. `content` is what the whole disk looks like, where it
    has no table. `problems` are sentences about what is wrong with the table. `unread` says why nothing is known;
    then everything else is empty.
    """

    table: Table = Table.NONE
    sector_size: int = 0
    partitions: tuple[Partition, ...] = ()
    bios: bool = False
    has_esp: bool = False
    efi: tuple[str, ...] = ()
    content: str = ""
    problems: tuple[str, ...] = ()
    unread: str = ""

    @property
    def encrypted(self) -> tuple[str, ...]:
        """How the disk, or partitions of it, are encrypted: `LUKS`, `BitLocker`."""
        found = [self.content, *(partition.content for partition in self.partitions)]
        return tuple(name for name in ENCRYPTED if name in found)


ENCRYPTED = ("LUKS", "BitLocker")
