"""Worlds for the provider contract: what a backend's tests need beside the provider itself.

A new backend adds one class with these methods and its name to BACKENDS; the suite then runs on it unchanged.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reconciler.manifests.address import Address
from reconciler.providers.local.provider import create_provider
from reconciler.providers.protocol import Provider
from reconciler.providers.registry import ProviderConfig


@dataclass(frozen=True)
class Stray:
    """Something in our object that is not ours: how messages call it, and whether it is still there."""

    name: str
    is_there: Callable[[], bool]


class ProviderWorld(Protocol):
    """A place that providers work on, and the hands of others in it. Regions are eastus, westus and northeurope."""

    def provider(self) -> Provider:
        """A fresh provider on this world, as another process would have it."""
        ...

    def image(self, name: str, content: bytes) -> Mapping[str, Any]:
        """The source of a disk image with `content`; one of that name is replaced."""
        ...

    def remove_image(self, source: Mapping[str, Any]) -> None: ...

    def copies(self, region: Address) -> list[bytes]:
        """The contents of the OS disk's copies in a target region, in the order of their numbers; empty for none."""
        ...

    def make_foreign(self, address: Address) -> None:
        """Puts an object without an owner mark where `address` would be."""
        ...

    def add_stray(self, region: Address) -> Stray:
        """Puts something that is not ours into our region, or into the version beside it."""
        ...

    def damage(self, region: Address) -> None:
        """Changes bytes of the first copy and leaves its size."""
        ...

    def truncate(self, region: Address) -> None: ...

    def lose(self, region: Address) -> None:
        """Removes the first copy behind the provider's back."""
        ...

    def leave_unfinished(self, region: Address, lineage: str) -> None:
        """What a run of `lineage` leaves of a region when it is killed while it copies."""
        ...

    def unreachable(self) -> contextlib.AbstractContextManager[None]: ...

    def failing(self, region: str) -> contextlib.AbstractContextManager[None]:
        """As long as it lasts, nothing can be written in that region, in which nothing is yet."""
        ...

    def objects(self) -> list[str]:
        """Everything there is, by name; empty when nothing of any kind is left."""
        ...

    def close(self) -> None: ...


class LocalWorld:
    """Three directories under one root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "regions"

    def provider(self) -> Provider:
        return create_provider(ProviderConfig("default", "local", {"root": "regions"}, self.folder))

    def image(self, name: str, content: bytes) -> Mapping[str, Any]:
        path = self.folder / "images" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return {"file": f"images/{name}"}

    def remove_image(self, source: Mapping[str, Any]) -> None:
        (self.folder / source["file"]).unlink()

    def place(self, region: Address) -> Path:
        return self.root.joinpath(region.region, *region[:3])

    def copies(self, region: Address) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.place(region).glob("replica-*.os.*"))]

    def make_foreign(self, address: Address) -> None:
        if address.region:
            self.place(address).mkdir(parents=True)
            (self.place(address) / "region.json").write_text('{"attributes": {"replicas": 1}}')
            return
        folder = self.root / "eastus" / address.gallery
        path = folder / "gallery.json"
        if address.definition:
            path = folder / address.definition / (f"{address.version}.json" if address.version else "definition.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"attributes": {"location": "eastus"}}')

    def add_stray(self, region: Address) -> Stray:
        stray = self.place(region) / "notes.txt"
        stray.write_text("mine")
        return Stray("notes.txt", lambda: stray.exists() and stray.read_text() == "mine")

    def _first(self, region: Address) -> Path:
        (path,) = self.place(region).glob("replica-1.os.*")
        path.chmod(0o644)  # published files are read-only
        return path

    def damage(self, region: Address) -> None:
        with self._first(region).open("r+b") as file:
            byte = file.read(1)
            file.seek(0)
            file.write(bytes([byte[0] ^ 0xFF]))

    def truncate(self, region: Address) -> None:
        os.truncate(self._first(region), 100)

    def lose(self, region: Address) -> None:
        self._first(region).unlink()

    def leave_unfinished(self, region: Address, lineage: str) -> None:
        short = lineage.replace("-", "")[:8]
        staging = self.place(region).parent / f".{region.version}.staging-{short}"
        staging.mkdir(parents=True)
        (staging / "replica-1.os.raw").write_bytes(b"half")

    @contextlib.contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self.folder / "unmounted"
        self.root.rename(away)
        try:
            yield
        finally:
            away.rename(self.root)

    @contextlib.contextmanager
    def failing(self, region: str) -> Iterator[None]:
        """A file where the directory belongs stops root as well, on any file system."""
        path = self.root / region
        self.root.mkdir(exist_ok=True)
        path.write_text("in the way")
        try:
            yield
        finally:
            path.unlink()

    def objects(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.parent != self.root or path.is_file()
        )

    def close(self) -> None:
        """Nothing runs."""


Asked = Callable[[str], Any]
"""Gives the value of a test fixture by its name: what a backend needs running beside it."""


def _local(folder: Path, _fixture: Asked) -> ProviderWorld:
    return LocalWorld(folder)


def _emulator(folder: Path, fixture: Asked) -> ProviderWorld:
    from support.azure.world import AzureWorld

    return AzureWorld(folder, fixture("azurite"))


def _libvirt(folder: Path, fixture: Asked) -> ProviderWorld:
    from support.libvirt.world import LibvirtWorld

    return LibvirtWorld(folder, fixture("libvirt_hosts"))


BACKENDS: Mapping[str, Callable[[Path, Asked], ProviderWorld]] = {
    "local": _local,
    "emulator": _emulator,
    "libvirt": _libvirt,
}
