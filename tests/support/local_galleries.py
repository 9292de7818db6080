"""One version on the local provider, in a project of a test's own, and a world for the provider contract."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.manifests.address import Address
from reconciler.providers.local.directories.markers import MARKER
from reconciler.providers.protocol import Provider, Step, Verb
from reconciler.testing.operations import CONTENT, VERSION, Results
from reconciler.testing.operations import run as run_steps
from reconciler.testing.providers import new_provider
from reconciler.testing.worlds import Stray

REGION = {"replicas": 1, "excludeFromLatest": False}


def provider_at(project: Path, **settings: Any) -> Provider:
    return new_provider("local", settings or {"root": "regions"}, project)


def provider_with_image(project: Path) -> Provider:
    """With the file that versions are made from."""
    (project / "image.raw").write_bytes(CONTENT)
    return provider_at(project)


def version(**more: Any) -> dict[str, Any]:
    """A version's attributes."""
    return {"location": "eastus", "source": {"file": "image.raw"}, "replicationMode": "Full", **more}


def run(provider: Provider, *steps: Step, attributes: Any = None, computed: Any = None, fence: int = 0) -> Results:
    """The results of one operation; on a version it is the one that `version()` describes where no other is given."""
    own = (attributes or version()) if steps[0].address.version else None
    return run_steps(provider, *steps, version=own, computed=computed, fence=fence)


def publish(provider: Provider, *regions: Address, **more: Any) -> Results:
    """Makes a version with its regions."""
    attributes = version(**more)
    steps = [Step(Verb.CREATE, region, REGION) for region in regions]
    return run(provider, Step(Verb.CREATE, VERSION, attributes), *steps, attributes=attributes)


class LocalWorld:
    """Three directories under one root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "regions"

    def provider(self) -> Provider:
        return new_provider("local", {"root": "regions"}, self.folder)

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

    def leave_unfinished(self, region: Address, lineage: str, fence: int = 0) -> None:
        short = lineage.replace("-", "")[:8]
        staging = self.place(region).parent / f".{region.version}.staging-{short}-{fence}"
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

    @contextlib.contextmanager
    def in_place(self, region: str, content: str) -> Iterator[None]:
        here, away = self.root / region, self.folder / "unmounted"
        here.rename(away)
        if content != "nothing":
            here.mkdir()
        if content == "other":
            (here / MARKER).write_text("0123456789abcdef\n")
        try:
            yield
        finally:
            shutil.rmtree(here, ignore_errors=True)
            away.rename(here)

    def empty(self, region: str) -> None:
        for folder in (self.root / region).iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)

    def objects(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if (path.parent != self.root or path.is_file()) and path.name != MARKER
        )

    def close(self) -> None:
        """Nothing runs."""
