"""Sound images to start from, of every format that is accepted or told apart, made by qemu-img and by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MADE = (
    ("raw", ""),
    ("vpc", "subformat=fixed,force_size=on"),
    ("vpc", "subformat=dynamic,force_size=on"),
    ("vhdx", "subformat=dynamic"),
    ("qcow2", "compat=0.10"),
    ("qcow2", "compat=1.1"),
    ("qcow2", "extended_l2=on,compression_type=zstd"),
    ("qcow2", "cluster_size=512,refcount_bits=1"),
    ("qcow2", "lazy_refcounts=on,refcount_bits=64"),
    ("vmdk", "subformat=monolithicSparse"),
    ("vmdk", "subformat=monolithicSparse,zeroed_grain=on"),
    ("vmdk", "subformat=streamOptimized"),
    ("vmdk", "subformat=twoGbMaxExtentSparse"),
    ("vmdk", "subformat=monolithicFlat"),
    ("vdi", ""),
    ("vdi", "static=on"),
    ("parallels", ""),
    ("qed", ""),
    ("qcow", ""),
)
"""QEMU's driver and the options of each image."""

DRIVERS: Mapping[str, str] = {
    "vhd-dynamic": "vpc",
    "vhdx": "vhdx",
    "qcow2": "qcow2",
    "vmdk": "vmdk",
    "vdi": "vdi",
}
"""Our name of a format -> QEMU's driver."""


@dataclass(frozen=True, slots=True)
class Seed:
    """An image, and the offsets of its words that are not zero: headers and tables, for it has next to no data."""

    name: str
    content: bytes
    words: tuple[int, ...]


def seeds(folder: Path) -> list[Seed]:
    """The images, made in `folder`."""
    raw = folder / "raw"
    raw.write_bytes((b"\xa1" * 512).ljust(65536, b"\0") + bytes((2 << 20) - 65536))
    return [_seed(folder, raw, number, driver, options) for number, (driver, options) in enumerate(MADE)]


def _seed(folder: Path, raw: Path, number: int, driver: str, options: str) -> Seed:
    made = folder / f"seed{number}.{driver}"
    chosen = ["-o", options] if options else []
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", driver, *chosen, raw, made], check=True)
    if driver == "qcow2" and "compat=1.1" in options:
        subprocess.run(["qemu-img", "snapshot", "-c", "first", made], check=True)
        subprocess.run(["qemu-img", "bitmap", "--add", made, "changes"], check=True)
    part = folder / f"seed{number}-s001.{driver}"
    content = (part if part.exists() else made).read_bytes()
    return Seed(f"{driver} {options}", content, words_of(content))


def words_of(content: bytes) -> tuple[int, ...]:
    """Where a word of 4 bytes is not zero, up to a thousand places."""
    found = [at for at in range(0, min(len(content), 1 << 17), 4) if any(content[at : at + 4])]
    found += [at for at in range(1 << 17, len(content) - 3, 512) if any(content[at : at + 512])]
    return tuple(found[:: max(1, len(found) // 1000)]) or (0,)
