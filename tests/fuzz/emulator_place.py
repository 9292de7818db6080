"""A subscription of the emulator as a place where lives happen."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fuzz.place import Snapshot
from support.azure import kill_points
from support.azure.azurite import RunningAzurite
from support.azure.world import AzureWorld
from support.killing import Killer

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json, digest
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.core.resources import DEFINITION, GALLERY, VERSION
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.gallery.replication import COMPLETED, state_of

_FOOTER = 512
_FAULTS = ("error", "drop", "lose-answer", "throttle", "expire-token", "hide-parent", "busy-parent")


class EmulatorPlace:
    """An emulator of its own in this process; its disks are files."""

    def __init__(self, folder: Path, azurite: RunningAzurite) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._world = AzureWorld(folder, azurite)
        self.settings: dict[str, Any] = {"type": "emulator", **self._world.settings}
        self._digests: dict[str, str] = {}

    def install(self, killer: Killer) -> None:
        kill_points.install(killer)

    def close(self) -> None:
        self._world.close()

    @contextmanager
    def fault(self, a: int, b: int) -> Iterator[bool]:
        """Requests that write fail a few times, after some that do not."""
        fault = Fault(_FAULTS[a % len(_FAULTS)], method=("*", "PUT", "DELETE")[b % 3], times=1 + a % 2, skip=b % 20)
        faults = self._world.emulator.service.faults
        faults.set((fault,))
        try:
            yield True
        finally:
            faults.set(())

    def _resources(self, *kinds: str) -> list[Resource]:
        store = self._world.emulator.service.store
        with store.transaction():
            return [one for kind in kinds for one in store.of_type(kind)]

    def snapshot(self) -> Snapshot:
        places: Counter[tuple[str, str]] = Counter()
        replicas: Counter[tuple[str, str]] = Counter()
        now = self._world.emulator.service.clock.now()
        for version in self._resources(VERSION):
            counts = {
                one["name"].lower().replace(" ", ""): int(one.get("regionalReplicaCount", 1))
                for one in version.properties["publishingProfile"].get("targetRegions", ())
            }
            for region, leg in version.hidden["regions"].items():
                if state_of(leg, now) == COMPLETED:
                    content = self._digest(version.hidden["disks"]["os"]["content"])
                    places[content, region] += 1
                    replicas[content, region] += counts.get(region, 0)
        return Snapshot(places, replicas)

    def _digest(self, disk: str) -> str:
        """That of the image file which a disk has the content of, or else its own."""
        if disk not in self._digests:
            blobs: Any = self._world.emulator.service.blobs
            content = blobs.path(disk).read_bytes()[:-_FOOTER]
            images = (path.read_bytes() for path in sorted((self.folder / "images").iterdir()))
            found = next((one for one in images if one.ljust(len(content), b"\0") == content), content)
            self._digests[disk] = hashlib.sha256(found).hexdigest()
        return self._digests[disk]

    def everything(self) -> dict[str, str]:
        resources = self._resources(GALLERY, DEFINITION, VERSION)
        named = {one.key: digest(canonical_json(one.properties)) for one in resources}
        return named | dict.fromkeys((one for one in self._world.objects() if one.startswith("staging")), "")

    def leftovers(self) -> list[str]:
        return self._world.objects()

    def damage(self, a: int, b: int, names: Collection[str]) -> str:
        regions = sorted(name for name in names if "@" in name and self._world.copies(Address.parse(name)))
        if not regions:
            return ""
        name = regions[a % len(regions)]
        self._world.damage(Address.parse(name))
        return name

    def add_stranger(self, a: int) -> bool:
        return False

    def strangers_gone(self) -> list[str]:
        return []

    def forget_strangers(self) -> None:
        """There are none."""

    def remove_strangers(self) -> None:
        """There are none."""
