"""Small real file systems for tests. Mounting takes root; where CI is set a skip for lack of it is a failure."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def tmpfs(place: Path, size_kib: int) -> Iterator[Path]:
    """A file system of `size_kib` KiB in memory, mounted on `place`."""
    with _mounted(place, "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs"):
        yield place


@contextlib.contextmanager
def btrfs(place: Path) -> Iterator[Path]:
    """A file system that can share blocks, in a file beside `place`, mounted on it."""
    image = place.with_suffix(".btrfs")
    with image.open("wb") as file:
        file.truncate(192 << 20)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)
    with _mounted(place, "-o", "loop", str(image)):
        yield place


@contextlib.contextmanager
def read_only(place: Path) -> Iterator[None]:
    """`place` cannot be written as long as this lasts, not by root either."""
    with _mounted(place, "--bind", str(place)):
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        yield


@contextlib.contextmanager
def _mounted(place: Path, *arguments: str) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("mounting a file system takes root")
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *arguments, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)
