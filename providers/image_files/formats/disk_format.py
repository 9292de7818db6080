"""What is known of a recognised disk image, and the error for one that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.providers.errors import SourceError

SECTOR = 512

EXTENSIONS = {
    "raw": "raw",
    "vhd-fixed": "vhd",
    "vhd-dynamic": "vhd",
    "vhdx": "vhdx",
    "qcow2": "qcow2",
    "vmdk": "vmdk",
    "vdi": "vdi",
}
"""Format name -> the usual file extension."""

DIRECT = frozenset({"raw", "vhd-fixed"})
"""The formats whose first `virtual_size` bytes are the disk's sectors; all others have a structure of their own."""


@dataclass(frozen=True, slots=True)
class DiskFormat:
    """A recognised format (a key of EXTENSIONS) and the size in bytes that a guest will see.

    `sector_size` is the logical sector size in bytes that the image declares. `dirty`: the program that wrote it did
    not close it, which its format allows for. `encrypted` only occurs in the facts of an UnusableImage.
    """

    name: str
    virtual_size: int
    sector_size: int = SECTOR
    dirty: bool = False
    encrypted: bool = False


class UnusableImage(SourceError):
    """A disk image that is refused although its header could be read; `facts` is what that says."""

    def __init__(self, message: str, remedy: str, facts: DiskFormat) -> None:
        super().__init__(message, remedy)
        self.facts = facts
