"""Copying images: `reconciler apply` against `cp --sparse=auto` of the same bytes and a sync."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engines import reconciler
from benchmarks.measuring import MIB, Cost, middle, middles, progress, run
from benchmarks.workload import REGIONS

ROUNDS = 3
HEADROOM_MIB = 512
DATA_SHARE = 10
"""One piece in ten of the sparse image holds data."""


@dataclass(frozen=True, slots=True)
class CopyCosts:
    """One image into some regions. `shared` says whether the file system can share blocks between files.

    `digest` is what sha256sum of the image takes by itself: an apply takes that digest too, and cp takes none.
    """

    image: str
    size_mib: int
    regions: int
    reconciler: Cost
    cp: Cost
    digest: Cost
    shared: bool


def measure_copying(folder: Path, size_mib: int, rounds: int = ROUNDS) -> Iterator[CopyCosts]:
    """A dense and a sparse image of `size_mib`, into one region and into four; needs five times that space."""
    needed = (len(REGIONS) + 1) * size_mib + HEADROOM_MIB
    if shutil.disk_usage(folder).free < needed * MIB:
        progress(f"copying left out: {folder} has less than {needed:,} MiB free")
        return
    shared = _shares_blocks(folder)
    for image in ("dense", "sparse"):
        project = folder / f"copying-{image}"
        project.mkdir()
        write_image(project / "disk.img", size_mib, 1 if image == "dense" else DATA_SHARE)
        digest = middle(rounds, lambda: run(["sha256sum", "disk.img"], project))  # noqa: B023
        for regions in (1, len(REGIONS)):
            progress(f"copying: {image}, {regions} region{'s' * (regions > 1)}")
            ours, theirs = middles(
                rounds,
                lambda: _apply(project, REGIONS[:regions]),  # noqa: B023
                lambda: _cp(project, REGIONS[:regions]),  # noqa: B023
            )
            yield CopyCosts(image, size_mib, regions, ours, theirs, digest, shared)
        shutil.rmtree(project)


def write_image(path: Path, size_mib: int, every: int) -> None:
    """An image of random bytes in every so-manieth MiB, the same at each call; the rest are holes."""
    generator = random.Random(1)
    with path.open("wb") as file:
        file.truncate(size_mib * MIB)
        for offset in range(0, size_mib, every):
            file.seek(offset * MIB)
            file.write(generator.randbytes(MIB))


def write_project(project: Path, regions: tuple[str, ...]) -> None:
    """One gallery, definition and version on the local provider, its image in each of `regions`."""
    (project / "reconciler.yaml").write_text(
        "project: copying\nmanifests: [corp.yaml]\nprovider: {type: local, root: regions}\n"
    )
    (project / "corp.yaml").write_text(
        f"kind: Gallery\nname: corp\nlocation: {regions[0]}\n---\n"
        "kind: ImageDefinition\ngallery: corp\nname: disk\nosType: Linux\nosState: Generalized\n"
        "identifier: {publisher: Contoso, offer: Copying, sku: disk}\n---\n"
        "kind: ImageVersion\nimage: corp/disk\nname: 1.0.0\nsource: {file: disk.img}\n"
        f"targetRegions: [{', '.join(regions)}]\n"
    )


def _apply(project: Path, regions: tuple[str, ...]) -> Cost:
    _empty(project, "regions", ".reconciler")
    write_project(project, regions)
    os.sync()
    return run([reconciler(), "apply", "--auto-approve"], project)


def _cp(project: Path, regions: tuple[str, ...]) -> Cost:
    _empty(project, "regions", "copies")
    for region in regions:
        (project / "copies" / region).mkdir(parents=True)
    copies = " && ".join(f"cp --sparse=auto disk.img copies/{region}/disk.img" for region in regions)
    os.sync()
    return run(["sh", "-c", f"{copies} && sync -f copies"], project)


def _empty(project: Path, *names: str) -> None:
    """Removes folders; what is published in regions is read-only."""
    for name in names:
        subprocess.run(["chmod", "-R", "u+w", name], cwd=project, check=False, capture_output=True)
        shutil.rmtree(project / name, ignore_errors=True)


def _shares_blocks(folder: Path) -> bool:
    source, copy = folder / "share-source", folder / "share-copy"
    source.write_bytes(bytes(MIB))
    answer = subprocess.run(["cp", "--reflink=always", source, copy], check=False, capture_output=True)
    source.unlink()
    copy.unlink(missing_ok=True)
    return answer.returncode == 0
