"""What a program needs beside itself to start: its loader, and the folders of shared libraries."""

from __future__ import annotations

import os
from struct import unpack_from

_SYSTEM = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/gnutls",
    "/etc/crypto-policies",
    "/usr/share/crypto-policies",
    "/dev/urandom",
    "/proc/sys/crypto/fips_enabled",
)
"""Where libraries are, and what those that qemu-img is linked with read when they start."""

_PT_INTERP = 3


def libraries(program: str) -> list[str]:
    """Files and folders that a program may read: those of the system, and `lib` beside the program's folder."""
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(program)))
    return [*_SYSTEM, *(os.path.join(prefix, name) for name in ("lib", "lib64"))]


def interpreter(program: str) -> str:
    """The path of the loader that the kernel runs for a 64-bit program; empty if it is linked statically.

    Raises: OSError. Source: elf(5).
    """
    with open(program, "rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            return ""
        table, size, count = unpack_from("=Q", head, 32)[0], *unpack_from("=HH", head, 54)
        file.seek(table)
        entries = file.read(size * count)
        for start in range(0, len(entries) - size + 1, size):
            kind, _, offset, _, _, length = unpack_from("=IIQQQQ", entries, start)
            if kind == _PT_INTERP:
                file.seek(offset)
                return os.fsdecode(file.read(length).rstrip(b"\0"))
    return ""
