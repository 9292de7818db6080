"""Copying volumes: `reconciler apply` of one more region against what virsh does with the same volume.

A host clones by itself: `virsh vol-clone`. To another host virsh goes by way of a file here: `vol-download` and
`vol-upload`. All commands are measured as whole processes and until the bytes are on the disk.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.copying import DATA_SHARE, HEADROOM_MIB, write_image
from benchmarks.engines import reconciler
from benchmarks.measuring import MIB, Cost, middles, progress, run
from support.libvirt.daemons import LibvirtHost, running_daemons

ROUNDS = 3
HOME = "eastus"
POOL, HOST = "another pool", "another host"
PLACES = {POOL: "northeurope", HOST: "westus"}
"""Where the copy goes, and the region that is there."""
COMMANDS = {POOL: "vol-clone", HOST: "vol-download, vol-upload"}
TINY = "tiny"
"""The image whose copy costs what any does: starting programs, connecting, planning, recording."""
_SETTINGS = ("--settings", "settings.yaml")
"""The daemons have sockets of their own, which are for whoever runs this to allow."""
_LARGER = 4
"""How many times the usual size the large image has: beside it, what any copy costs does not count."""
_FILES_AT_ONCE = {POOL: 3, HOST: 4}
"""Image, first copy, and its conversion or one more copy; to another host also what was downloaded."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image to be copied; every `every`th MiB holds data."""

    name: str
    mib: int
    every: int
    places: tuple[str, ...] = (POOL, HOST)

    def room_mib(self) -> int:
        return max(_FILES_AT_ONCE[place] for place in self.places) * self.mib + HEADROOM_MIB


@dataclass(frozen=True, slots=True)
class CloneCosts:
    """One volume, copied to a pool of the same host or of another."""

    image: str
    size_mib: int
    place: str
    reconciler: Cost
    virsh: Cost


def measure_cloning(folder: Path, size_mib: int, rounds: int = ROUNDS) -> Iterator[CloneCosts]:
    """A tiny volume, a dense and a sparse one of `size_mib`, to another pool of their host and to another host; and a
    larger dense one to another pool."""
    missing = _missing()
    if missing:
        progress(f"cloning left out: {missing}")
        return
    images = (
        Image(TINY, 1, 1),
        Image("dense", size_mib, 1),
        Image("sparse", size_mib, DATA_SHARE),
        Image("dense", _LARGER * size_mib, 1, (POOL,)),
    )
    with _short(folder) as short, running_daemons(short / "hosts") as hosts:
        regions = {
            HOME: _region(hosts[0], "images"),
            PLACES[POOL]: _region(hosts[0], "more"),
            PLACES[HOST]: _region(hosts[1], "images"),
        }
        for image in images:
            if shutil.disk_usage(folder).free < image.room_mib() * MIB:
                progress(f"cloning of {image.mib:,} MiB left out: {folder} has less than {image.room_mib():,} MiB free")
                continue
            yield from _measured(folder, image, hosts, regions, rounds)


def _measured(
    folder: Path, image: Image, hosts: tuple[LibvirtHost, ...], regions: dict[str, dict[str, str]], rounds: int
) -> Iterator[CloneCosts]:
    project = folder / f"cloning-{image.name}"
    project.mkdir()
    write_image(project / "disk.img", image.mib, image.every)
    _write_project(project, regions)
    _apply(project)
    for place in image.places:
        progress(f"cloning: {image.mib:,} MiB {image.name}, to {place}")
        ours, theirs = middles(
            rounds,
            lambda: _add_region(project, PLACES[place]),  # noqa: B023
            lambda: _by_virsh(place, hosts, project),  # noqa: B023
        )
        yield CloneCosts(image.name, image.mib, place, ours, theirs)
    run([reconciler(), *_SETTINGS, "destroy", "--auto-approve"], project)
    shutil.rmtree(project)


@contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """Another path to a folder, short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        short = Path(name) / "folder"
        short.symlink_to(folder)
        yield short


def _missing() -> str:
    """What is not there that this takes; empty when all is."""
    if os.geteuid() != 0:
        return "hosts of one's own take root"
    if find_spec("libvirt") is None or shutil.which("libvirtd") is None or shutil.which("virsh") is None:
        return "libvirtd, virsh or the extra 'libvirt' is not installed"
    return ""


def _region(host: LibvirtHost, pool: str) -> dict[str, str]:
    host.define_pool(pool)
    return {"uri": host.uri, "pool": pool}


def _write_project(project: Path, regions: dict[str, dict[str, str]]) -> None:
    """One gallery, definition and version; its home region alone is declared."""
    provider = json.dumps({"type": "libvirt", "regions": regions})
    uris = [region["uri"] for region in regions.values()]
    (project / _SETTINGS[1]).write_text(json.dumps({"libvirt": {"uris": uris}}))
    (project / "reconciler.yaml").write_text(f"project: cloning\nmanifests: [corp.yaml]\nprovider: {provider}\n")
    _declare(project, HOME)


def _declare(project: Path, *regions: str) -> None:
    (project / "corp.yaml").write_text(
        f"kind: Gallery\nname: corp\nlocation: {HOME}\n---\n"
        "kind: ImageDefinition\ngallery: corp\nname: disk\nosType: Linux\nosState: Generalized\n"
        "identifier: {publisher: Contoso, offer: Cloning, sku: disk}\n---\n"
        "kind: ImageVersion\nimage: corp/disk\nname: 1.0.0\nsource: {file: disk.img}\n"
        "safety: {allowDeletionOfReplicatedLocations: true}\n"
        f"targetRegions: [{', '.join(regions)}]\n"
    )


def _apply(project: Path) -> Cost:
    return _synced(project, f"{reconciler()} {' '.join(_SETTINGS)} apply --auto-approve")


def _add_region(project: Path, region: str) -> Cost:
    """The cost of one more region, which is there no more afterwards."""
    _declare(project, HOME, region)
    cost = _apply(project)
    _declare(project, HOME)
    _apply(project)
    return cost


def _by_virsh(place: str, hosts: tuple[LibvirtHost, ...], project: Path) -> Cost:
    """The cost of a copy of the version's volume, which is there no more afterwards."""
    (volume,) = (name for name in hosts[0].virsh("vol-list", "images").split() if name.startswith("corp-disk-"))
    source, target = (f"virsh --quiet --connect {shlex.quote(host.uri)}" for host in hosts)
    if place == POOL:
        cost = _synced(project, f"{source} vol-clone {volume} copy --pool images")
        hosts[0].virsh("vol-delete", "copy", "--pool", "images")
        return cost
    cost = _synced(
        project,
        f"{source} vol-download {volume} downloaded --pool images --sparse",
        f"{target} vol-create-as images copy $(stat --format=%s downloaded)",
        f"{target} vol-upload copy downloaded --pool images --sparse",
    )
    hosts[1].virsh("vol-delete", "copy", "--pool", "images")
    (project / "downloaded").unlink()
    return cost


def _synced(project: Path, *commands: str) -> Cost:
    """The cost of commands, beginning with nothing left to write, and until everything is written."""
    os.sync()
    return run(["sh", "-c", " && ".join([*commands, "sync -f ."])], project)
