"""Machines that are small enough to start in every test, and print on their serial console what they boot from."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.libvirt.daemons import POOLS

from reconciler.manifests.examples.boot_image import write_boot_image

if TYPE_CHECKING:
    from support.libvirt.daemons import LibvirtHost

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class TinyMachine:
    """A machine on `host` with disks in its pool `pool`: `disks` maps a device to the name of its volume."""

    host: LibvirtHost
    name: str
    pool: str
    disks: Mapping[str, str]
    caching: Mapping[str, str] = field(default_factory=dict)

    @property
    def console(self) -> Path:
        """The path of its console log, as this process sees it."""
        return self.host.folder / "log" / f"{self.name}.console"

    def define(self) -> None:
        """Defines it on the host; it is off."""
        path = self.host.folder / "var" / f"{self.name}.xml"
        path.write_text(self._description())
        self.host.virsh("define", str(path))

    def start(self) -> None:
        self.host.virsh("start", self.name)

    def stop(self) -> None:
        """Powers it off, as in a power cut."""
        self.host.virsh("destroy", self.name)

    def await_text(self, text: str) -> None:
        """Waits until it has printed this on its console."""
        await_text(self.console, text)

    def _description(self) -> str:
        disks = "".join(
            f"<disk type='file' device='disk'><driver name='qemu' type='{_format(volume)}'{self._cache(device)}/>"
            f"<source file='{POOLS}/{self.pool}/{volume}'/><target dev='{device}' bus='virtio'/></disk>"
            for device, volume in self.disks.items()
        )
        return (
            f"<domain type='qemu'><name>{self.name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
            f"<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>{disks}"
            f"<serial type='pty'><log file='/var/log/libvirt/{self.name}.console' append='off'/></serial>"
            "</devices></domain>"
        )

    def _cache(self, device: str) -> str:
        return f" cache='{self.caching[device]}'" if device in self.caching else ""


def _format(volume: str) -> str:
    return "qcow2" if volume.endswith(".qcow2") else "raw"


def boot_volume(host: LibvirtHost, pool: str, name: str, message: str, size_mib: int = 8) -> str:
    """Puts a disk into a pool that prints `message` when a machine boots from it, and returns the volume's name."""
    path = host.folder / "var" / "images" / pool / name
    write_boot_image(path, message, size_mib=size_mib)
    host.virsh("pool-refresh", pool)
    return name


def data_volume(host: LibvirtHost, pool: str, name: str, content: bytes, size_mib: int = 4) -> str:
    """Puts a raw disk that starts with `content` into a pool, and returns the volume's name."""
    path = host.folder / "var" / "images" / pool / name
    path.write_bytes(content)
    os.truncate(path, size_mib << 20)
    host.virsh("pool-refresh", pool)
    return name


def overlay(host: LibvirtHost, pool: str, name: str, below: str, below_format: str = "raw") -> str:
    """Creates a qcow2 overlay on another volume of the same pool, and returns its name."""
    host.run(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        f"{POOLS}/{pool}/{below}",
        "-F",
        below_format,
        f"{POOLS}/{pool}/{name}",
    )
    host.virsh("pool-refresh", pool)
    return name


def sectors(host: LibvirtHost, pool: str, name: str) -> bytes:
    """What a guest would see on a volume."""
    raw = host.folder / "var" / f"{name}.sectors"
    inside = f"/var/lib/libvirt/{name}.sectors"
    host.run("qemu-img", "convert", "-U", "-O", "raw", f"{POOLS}/{pool}/{name}", inside)
    try:
        return raw.read_bytes()
    finally:
        raw.unlink()


def await_text(path: Path, text: str) -> None:
    """Waits until a file, which another process writes, contains a text."""
    deadline = time.monotonic() + _PATIENCE_S
    while not (path.exists() and text.encode() in path.read_bytes()):
        said = path.read_text("utf-8", errors="replace") if path.exists() else "nothing"
        assert time.monotonic() < deadline, f"'{text}' was never said; there is: {said}"
        time.sleep(0.05)
