"""Storage pools of two hypervisor hosts as a place where lives happen."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from fuzz.place import Snapshot
from support.killing import Killer
from support.libvirt.daemons import LibvirtHost
from support.libvirt.world import LibvirtWorld

from reconciler.manifests.address import Address


class LibvirtPlace:
    """Pools of its own, which it reads as directories; volumes are raw, so that their files are what was published."""

    def __init__(self, folder: Path, hosts: tuple[LibvirtHost, ...]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._world = LibvirtWorld(folder, hosts, pool_format="raw")
        self.settings: dict[str, Any] = {"type": "libvirt", **self._world.settings}

    def install(self, killer: Killer) -> None:
        from reconciler.providers.libvirt.content import streams
        from reconciler.providers.libvirt.host.pools import Pool
        from reconciler.providers.libvirt.provider import LibvirtProvider
        from reconciler.state.sql_store.store import SqlStore

        killer.wrap(SqlStore, "write")
        killer.wrap(LibvirtProvider, "begin", "tidy")
        killer.wrap(Pool, "create", "delete", "clone", "write")
        killer.wrap(streams, "upload", "transfer")

    def close(self) -> None:
        self._world.close()

    def fault(self, a: int, b: int) -> AbstractContextManager[bool]:
        return nullcontext(False)

    def snapshot(self) -> Snapshot:
        replicas: Counter[tuple[str, str]] = Counter()
        versions: dict[tuple[str, str], set[str]] = defaultdict(set)
        for region, folder in self._world.folders.items():
            for path in sorted(folder.glob("*-os-2*")):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                replicas[content, region] += 1
                versions[content, region].add(path.name.partition("-os-2")[0])
        return Snapshot(Counter({key: len(names) for key, names in versions.items()}), replicas)

    def everything(self) -> dict[str, str]:
        return {
            f"{region}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
            for region, folder in self._world.folders.items()
            for path in sorted(folder.iterdir())
        }

    def leftovers(self) -> list[str]:
        return self._world.objects()

    def damage(self, a: int, b: int, names: Collection[str]) -> str:
        regions = sorted(name for name in names if "@" in name and self._world.volumes(Address.parse(name)))
        if not regions:
            return ""
        name = regions[a % len(regions)]
        path = self._world.volumes(Address.parse(name))[0]
        if b % 3 == 0:
            path.unlink()
        elif b % 3 == 1:
            os.truncate(path, 100)
        else:
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 0xFF
            path.write_bytes(content)
        return name

    def add_stranger(self, a: int) -> bool:
        return False

    def strangers_gone(self) -> list[str]:
        return []

    def forget_strangers(self) -> None:
        """There are none."""

    def remove_strangers(self) -> None:
        """There are none."""
