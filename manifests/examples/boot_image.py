"""A disk image that boots and prints a line on its first serial port: tiny, and yet real enough to run.

python -m reconciler.manifests.examples.boot_image images/web.img --message "hello"
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

SECTOR = 512
_LOAD_ADDRESS = 0x7C00
_SIGNATURE_AT = 510
_PARTITION_TABLE_AT = 446

_SETUP = bytes.fromhex(
    "fa"  # cli
    "31c0 8ed8 8ed0 bc007c fc"  # ds = ss = 0, stack below the code, strings forward
    "bafb03 b080 ee"  # COM1: open the divisor latch
    "baf803 b001 ee 42 30c0 ee"  # divisor 1: 115200 baud
    "bafb03 b003 ee"  # 8 data bits, no parity, 1 stop bit
)
_LOAD_MESSAGE = 0xBE  # mov si, imm16
_PRINT = bytes.fromhex(
    "ac 84c0 7412"  # next: lodsb; at the zero go to `stop`
    "88c4 bafd03 ec a820 74fb"  # wait until the port takes a byte
    "baf803 88e0 ee ebe9"  # send it, and to `next`
    "f4 ebfd"  # stop: halt for good
)


def boot_sector(message: str) -> bytes:
    """512 bytes that a BIOS starts and that print `message` (ASCII) and a line feed on the serial port.

    Raises: ValueError when the message is too long or not ASCII.
    """
    text = message.encode("ascii") + b"\r\n\0"
    message_at = len(_SETUP) + 3 + len(_PRINT)
    address = (_LOAD_ADDRESS + message_at).to_bytes(2, "little")
    code = _SETUP + bytes([_LOAD_MESSAGE]) + address + _PRINT + text
    if len(code) > _PARTITION_TABLE_AT:
        raise ValueError(f"the message is too long: {_PARTITION_TABLE_AT - message_at - 3} characters fit")
    return code.ljust(_SIGNATURE_AT, b"\0") + b"\x55\xaa"


def fixed_vhd_footer(size: int) -> bytes:
    """The footer that makes `size` bytes of disk a fixed VHD.

    Source: Virtual Hard Disk Image Format Specification 1.0.
    """
    cylinders = min(size // SECTOR // (16 * 63), 0xFFFF)
    footer = bytearray(SECTOR)
    footer[0:8] = b"conectix"
    footer[8:12] = (2).to_bytes(4, "big")
    footer[12:16] = (0x10000).to_bytes(4, "big")
    footer[16:24] = b"\xff" * 8
    footer[28:40] = b"win \x00\x01\x00\x00Wi2k"  # readers take the size from the geometry unless they know the creator
    footer[40:48] = footer[48:56] = size.to_bytes(8, "big")
    footer[56:60] = cylinders.to_bytes(2, "big") + bytes([16, 63])
    footer[60:64] = (2).to_bytes(4, "big")
    footer[68:84] = hashlib.md5(str(size).encode(), usedforsecurity=False).digest()
    footer[64:68] = (~sum(footer) & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(footer)


def write_boot_image(path: str | Path, message: str, *, size_mib: int = 8, format: str = "raw") -> None:  # noqa: A002
    """Writes a bootable disk of `size_mib` MiB, its unused part a hole; `format` is `raw` or `vhd` (fixed).

    Missing parent folders are created. Raises: ValueError for a bad message or format; OSError.
    """
    if format not in ("raw", "vhd"):
        raise ValueError(f"'{format}' is not a format: raw or vhd")
    sector, size = boot_sector(message), size_mib << 20
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "wb") as file:
        file.write(sector)
        file.truncate(size)
        if format == "vhd":
            file.seek(size)
            file.write(fixed_vhd_footer(size))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="boot_image", description="Makes a small disk image that boots.")
    parser.add_argument("path")
    parser.add_argument("--message", default="hello", help="what it prints on the serial port (ASCII)")
    parser.add_argument("--size-mib", type=int, default=8)
    parser.add_argument("--format", choices=("raw", "vhd"), default="raw")
    given = parser.parse_args(arguments)
    write_boot_image(given.path, given.message, size_mib=given.size_mib, format=given.format)


if __name__ == "__main__":
    main()
