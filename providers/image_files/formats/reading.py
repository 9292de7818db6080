"""Reads the parts of an image that its header names, however large the numbers in it are."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from typing import Any, Literal

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import SECTOR

ReadAt = Callable[[int, int], bytes]
"""Reads (offset, length); less at the end of the image."""

CHUNK = 1 << 20
_LARGEST_PART = 2 << 20
"""The largest cluster of a qcow2 image."""
_BUDGET = 256 << 20
"""The bytes of headers and tables that are read of one image. The grain tables of a full VMDK of 2 TiB, the most that
the format has room for, are 128 MiB; the tables of other formats are smaller."""
_ZEROS = bytes(CHUNK)

CONVERT = "convert it first, for example: qemu-img convert -O vpc -o subformat=fixed,force_size IMAGE IMAGE.vhd"


class ImageReader:
    """An image of `size` bytes. `label` is its name in messages, `kind` that of the format it is being read as."""

    def __init__(self, read: ReadAt, size: int, label: str, kind: str = "disk") -> None:
        self.size, self.label, self.kind = size, label, kind
        self._read = read
        self._left = _BUDGET

    def part(self, offset: int, length: int, what: str) -> bytes:
        """Exactly `length` bytes, which may be 2 MiB at most; `what` is their name.

        Raises: SourceError if they are not all within the image, or if too much of it was read already.
        """
        if not 0 <= length <= _LARGEST_PART:
            raise self.damaged(f"{what} is larger than it can be")
        if offset < 0 or offset + length > self.size:
            raise self.damaged(f"{what} is beyond the end")
        self._spend(length)
        content = self._read(offset, length)
        if len(content) != length:
            raise self.damaged(f"{what} is beyond the end")
        return content

    def fields(self, offset: int, layout: str, what: str) -> tuple[Any, ...]:
        """The numbers at `offset`, in the layout of `struct`. Raises: as `part`."""
        return struct.unpack(layout, self.part(offset, struct.calcsize(layout), what))

    def numbers(
        self, offset: int, count: int, code: Literal["I", "Q"], order: Literal["big", "little"], what: str
    ) -> Iterator[tuple[int, array[int]]]:
        """The entries of a table, in pieces that contain others than zero: (number of the first one, entries).

        Raises: as `part`.
        """
        width = array(code).itemsize
        if count * width > self._left:
            raise self.damaged(f"{what} has {count} entries, more than can be checked")
        if offset + count * width > self.size:
            raise self.damaged(f"{what} is beyond the end")
        for first in range(0, count, CHUNK // width):
            content = self.part(offset + first * width, min(CHUNK, (count - first) * width), what)
            if content != _ZEROS[: len(content)]:
                yield first, _decoded(content, code, order)

    def require_size(self, size: int, most: int, sector: int = SECTOR) -> None:
        """Raises: SourceError if a virtual size of `size` bytes is zero, not one of whole sectors, or above `most`."""
        if not size:
            raise SourceError(
                f"{self.label} is a {self.kind} image of a disk of size zero", "give a disk with a system"
            )
        if size % sector:
            raise self.damaged(f"its virtual size of {size} bytes is not one of whole sectors")
        if size > most:
            raise self.damaged(f"its virtual size is {size} bytes, and its format allows {most}")

    def damaged(self, why: str) -> SourceError:
        return SourceError(
            f"{self.label} is a {self.kind} image, cut short or damaged: {why}", "fetch or build the image again"
        )

    def unsupported(self, why: str) -> SourceError:
        return SourceError(f"{self.label} is a {self.kind} image that cannot be used: {why}", CONVERT)

    def dependent(self, what: str) -> SourceError:
        return SourceError(
            f"{self.label} is {what}: it is not complete without another file", f"merge the two; {CONVERT}"
        )

    def _spend(self, length: int) -> None:
        self._left -= length
        if self._left < 0:
            raise self.damaged(f"its tables take up more than {_BUDGET >> 20} MiB")


def _decoded(content: bytes, code: Literal["I", "Q"], order: Literal["big", "little"]) -> array[int]:
    numbers = array(code)
    numbers.frombytes(content)
    if order != sys.byteorder:
        numbers.byteswap()
    return numbers
