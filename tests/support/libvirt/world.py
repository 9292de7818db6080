"""A world for the provider contract on virtualization hosts: two daemons, one of them with the pools of two regions."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

from support.libvirt.daemons import POOLS, LibvirtHost

from reconciler.manifests.address import Address
from reconciler.manifests.trust import Trust
from reconciler.manifests.values import canonical_json, digest
from reconciler.providers.common.descriptions import encode_mark
from reconciler.providers.libvirt.records.volume_names import VolumeName
from reconciler.providers.protocol import Provider
from reconciler.testing.operations import owner_of
from reconciler.testing.providers import new_provider
from reconciler.testing.worlds import Stray

LONG_AGO = date(2020, 1, 1)


class LibvirtWorld:
    """Its own pools on hosts that other worlds use as well. It reads pools as directories, bypassing libvirt."""

    def __init__(self, folder: Path, hosts: tuple[LibvirtHost, ...], pool_format: str = "qcow2") -> None:
        self.folder = folder
        self.hosts = {"eastus": hosts[0], "westus": hosts[1], "northeurope": hosts[0]}
        self._format = pool_format
        unique = uuid4().hex[:8]
        self.pools = {"eastus": f"a-{unique}", "westus": f"a-{unique}", "northeurope": f"b-{unique}"}
        self.folders = {region: host.define_pool(self.pools[region]) for region, host in self.hosts.items()}
        self._providers: list[Provider] = []

    def close(self) -> None:
        for provider in self._providers:
            provider.close()
        for region, host in self.hosts.items():
            host.virsh("pool-destroy", self.pools[region])
            host.virsh("pool-undefine", self.pools[region])
            shutil.rmtree(self.folders[region])

    @property
    def settings(self) -> dict[str, Any]:
        """The provider's settings in a project file, without its type."""
        regions = {region: {"uri": host.uri, "pool": self.pools[region]} for region, host in self.hosts.items()}
        return {"regions": regions, "format": self._format}

    @staticmethod
    def trust_in(settings: Mapping[str, Any]) -> Trust:
        """Daemons of a test have sockets of their own, which a project may not name by itself."""
        return Trust(libvirt_uris=tuple(host["uri"] for host in settings["regions"].values()))

    def provider(self, settings: Mapping[str, Any] | None = None) -> Provider:
        """A provider with these settings, or those of this world."""
        self._providers.append(
            new_provider("libvirt", settings or self.settings, self.folder, self.trust_in(settings or self.settings))
        )
        return self._providers[-1]

    # Sources.

    def image(self, name: str, content: bytes) -> Mapping[str, Any]:
        path = self.folder / "images" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return {"file": f"images/{name}"}

    def remove_image(self, source: Mapping[str, Any]) -> None:
        (self.folder / source["file"]).unlink()

    # Looking past the provider.

    def volumes(self, region: Address) -> list[Path]:
        """The files of a version's OS disk in a region, by name."""
        stem = "-".join((*region[:3], "os"))
        return sorted(self.folders[region.region].glob(f"{stem}-2*"))

    def copies(self, region: Address) -> list[bytes]:
        """Without overlays and their backing volumes, and without volumes that a run is creating or removing."""
        pending = self._pending(region)
        found = [path for path in self.volumes(region) if path.name not in pending]
        below = {_backing(path) for path in found}
        plain = [path for path in found if not _backing(path)]
        if below != {""}:
            return []
        return [self.sectors(path) for path in plain]

    def _pending(self, region: Address) -> set[str]:
        """The volumes that a list names, and the region's description does not."""
        folder, stem = self.folders[region.region], f".reconciler~{'~'.join(region)}"
        listed = {
            name for path in folder.glob(f"{stem}~making*.json") for name in (_value(path) or {}).get("volumes", ())
        }
        described: dict[str, Any] = next(
            filter(None, map(_value, sorted(folder.glob(f"{stem}.*.json"), reverse=True))), {}
        )
        return listed - {copy["volume"] for copy in described.get("copies", ())}

    def sectors(self, volume: Path) -> bytes:
        """What a guest sees on a volume."""
        raw = self.folder / f"{volume.name}.sectors"
        form = "qcow2" if volume.read_bytes()[:4] == b"QFI\xfb" else "raw"
        subprocess.run(["qemu-img", "convert", "-f", form, "-O", "raw", str(volume), str(raw)], check=True)
        content = raw.read_bytes()
        raw.unlink()
        return content

    def objects(self) -> list[str]:
        """Without the markers of places, which stay."""
        return sorted(
            f"{region}/{path.name}"
            for region, folder in self.folders.items()
            for path in folder.iterdir()
            if not path.name.startswith(".reconciler~place~")
        )

    # The hands of others.

    def _sidecar(self, region: str, name: str, value: Any) -> None:
        text = canonical_json(value)
        (self.folders[region] / f".reconciler~{name}.000001.json").write_text(f"{text}\n{digest(text)}\n")

    def make_foreign(self, address: Address) -> None:
        if address.region:
            name = VolumeName(address.unit, "os", LONG_AGO)
            (self.folders[address.region] / str(name)).write_bytes(b"theirs".ljust(512, b"\0"))
            return
        self._sidecar("eastus", "~".join(part for part in address if part), {"attributes": {"location": "eastus"}})

    def add_stray(self, region: Address) -> Stray:
        stray = self.folders[region.region] / str(VolumeName(region.unit, "data-7", LONG_AGO))
        stray.write_bytes(b"mine".ljust(512, b"\0"))
        return Stray(stray.name, lambda: stray.exists() and stray.read_bytes().startswith(b"mine"))

    def damage(self, region: Address) -> None:
        with self.volumes(region)[0].open("r+b") as file:
            at = file.read().index(b"first sector")
            file.seek(at)
            file.write(b"F")

    def truncate(self, region: Address) -> None:
        os.truncate(self.volumes(region)[0], 100)

    def lose(self, region: Address) -> None:
        self.volumes(region)[0].unlink()

    def leave_unfinished(self, region: Address, lineage: str, fence: int = 0) -> None:
        name = str(VolumeName(region.unit, "os", LONG_AGO))
        (self.folders[region.region] / name).write_bytes(b"half")
        left = {"owner": encode_mark(owner_of(lineage).mark(region)), "volumes": [name], "machine": ""}
        note = f"making-{fence}" if fence else "making"
        self._sidecar(region.region, "~".join((*region, note)), {**left, **({"fence": fence} if fence else {})})

    @contextlib.contextmanager
    def unreachable(self) -> Iterator[None]:
        """Both daemons are killed, and started again afterwards."""
        hosts = {host.name: host for host in self.hosts.values()}.values()
        for host in hosts:
            host.kill()
        try:
            yield
        finally:
            for host in hosts:
                host.restart()

    @contextlib.contextmanager
    def failing(self, region: str) -> Iterator[None]:
        """An immutable directory stops root as well."""
        host, target = self.hosts[region], f"{POOLS}/{self.pools[region]}"
        host.run("mount", "--bind", target, target)
        host.run("mount", "-o", "remount,bind,ro", target)
        try:
            yield
        finally:
            host.run("umount", target)

    @contextlib.contextmanager
    def in_place(self, region: str, content: str) -> Iterator[None]:
        host, pool, seen = self.hosts[region], self.pools[region], self.folders[region]
        target = f"{POOLS}/{pool}"
        if content == "nothing":
            definition = self.folder / f"{pool}.xml"
            definition.write_text(host.virsh("pool-dumpxml", pool))
            host.virsh("pool-destroy", pool)
            host.virsh("pool-undefine", pool)
        else:
            host.run("mount", "-t", "tmpfs", "tmpfs", target)
            self.folders[region] = Path(f"/proc/{host.pid}/root{target}")
        if content == "other":
            (self.folders[region] / f".reconciler~place~{uuid4()}").touch()
        try:
            yield
        finally:
            self.folders[region] = seen
            if content == "nothing":
                host.virsh("pool-define", str(definition))
                host.virsh("pool-start", pool)
            else:
                host.run("umount", target)

    def empty(self, region: str) -> None:
        for path in self.folders[region].iterdir():
            if not path.name.startswith(".reconciler~place~"):
                path.unlink()


def _value(sidecar: Path) -> Any:
    """What a sidecar says; None if it was cut short."""
    try:
        return json.loads(sidecar.read_text().split("\n")[0])
    except ValueError:
        return None


def _backing(volume: Path) -> str:
    """The backing file of an overlay; empty for anything else."""
    head = volume.read_bytes()[:4096]
    if head[:4] != b"QFI\xfb" or len(head) < 104:
        return ""
    offset, length = int.from_bytes(head[8:16], "big"), int.from_bytes(head[16:20], "big")
    return head[offset : offset + length].decode()
