"""The quickstart on an emulator of its own: applied for real, with faults, and inspected without the provider."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from support.azure.azurite import RunningAzurite
from support.azure.world import AzureWorld

import reconciler.manifests.examples
from reconciler.applying.context import Interrupt
from reconciler.engine import AppliedPlan, Engine
from reconciler.manifests.examples.boot_image import write_boot_image
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.providers.emulator.core.injected_faults import Fault

QUICKSTART = Path(reconciler.manifests.examples.__path__[0]) / "quickstart"
IMAGES = ("web-1.0.0.img", "web-1.1.0.img", "worker-1.0.0.vhd")


def make_images(folder: Path) -> Path:
    """The images that the quickstart's manifests name, once for many projects."""
    folder.mkdir(parents=True)
    for name in IMAGES:
        write_boot_image(folder / name, message=name, format="vhd" if name.endswith(".vhd") else "raw")
    return folder


class CloudEstate:
    """A project folder with the quickstart in it, and the world that its provider reaches."""

    def __init__(self, folder: Path, azurite: RunningAzurite, images: Path) -> None:
        folder.mkdir(parents=True)
        shutil.copytree(QUICKSTART / "manifests", folder / "manifests")
        shutil.copytree(images, folder / "images", copy_function=os.link)
        self.folder = folder
        self.world = AzureWorld(folder, azurite)
        project = {
            "project": "quickstart",
            "manifests": ["manifests"],
            "provider": {"type": "emulator", **self.world.settings},
        }
        (folder / "reconciler.yaml").write_text(yaml.safe_dump(project))

    def engine(self) -> Engine:
        return Engine(self.folder)

    def plan(self, **options: object) -> Plan:
        with self.engine() as engine:
            return engine.plan(PlanOptions(**options))  # type: ignore[arg-type]

    def apply(self, **options: object) -> AppliedPlan:
        with self.engine() as engine:
            return engine.apply(PlanOptions(**options), lambda _: True, Interrupt())  # type: ignore[arg-type]

    def allow_removal(self) -> None:
        """Allows the removal of regions from the versions of web."""
        self._edit(lambda one: one.setdefault("safety", {"allowDeletionOfReplicatedLocations": True}))

    def change(self) -> None:
        """Removes one region from a version and adds another, adds replicas to a third, and removes worker."""

        def edit(document: dict[str, Any]) -> None:
            if document.get("name") == "1.1.0":
                document["targetRegions"] = ["eastus=3", "northeurope", "uksouth"]
                document["tags"] = {"owner": "ada"}

        self._edit(edit)
        (self.folder / "manifests" / "worker.yaml").unlink()

    def _edit(self, edit: Callable[[dict[str, Any]], Any]) -> None:
        for path in sorted((self.folder / "manifests").glob("*.yaml")):
            documents = list(yaml.load_all(path.read_text(), yaml.BaseLoader))
            for document in documents:
                if document["kind"] == "ImageVersion":
                    edit(document)
            path.write_text(yaml.safe_dump_all(documents, sort_keys=False))

    def set_faults(self, *faults: Fault) -> None:
        self.world.emulator.service.faults.set(faults)


@contextmanager
def cloud_estate(folder: Path, azurite: RunningAzurite, images: Path) -> Iterator[CloudEstate]:
    """An estate for as long as this lasts."""
    estate = CloudEstate(folder, azurite, images)
    try:
        yield estate
    finally:
        estate.world.close()
