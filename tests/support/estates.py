"""A project in a folder of its own, on the local provider: written, planned and applied for real."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from support.libvirt.trusting import trusting

from reconciler.applying.context import Interrupt
from reconciler.engine import AppliedPlan, Engine
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.providers.local.directories.markers import MARKER
from reconciler.reporting import Reporter

Document = Mapping[str, Any]
_OF_THE_RUN = re.compile(rb',\n  "(?:fence|stamps)": [^\n]+?(?=,?\n)')


class Estate:
    """`documents` are what the manifests say; `write` them, then `plan` and `apply` as the commands do."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.regions = directory / "regions"
        (directory / "images").mkdir(parents=True, exist_ok=True)
        (directory / "reconciler.yaml").write_text(
            "project: test\nmanifests: [manifests]\nprovider: {type: local, root: regions}\n"
        )

    def image(self, name: str, content: bytes) -> str:
        """A disk image of whole sectors that begins with `content`; its path for a `file` source."""
        path = self.directory / "images" / name
        path.write_bytes(content.ljust(512, b"\0"))
        return f"../images/{name}"

    def write(self, documents: Iterable[Document]) -> None:
        """Makes these documents the whole of the manifests."""
        folder = self.directory / "manifests"
        folder.mkdir(exist_ok=True)
        (folder / "all.yaml").write_text(yaml.safe_dump_all(list(documents), sort_keys=False))

    def engine(self, reporter: Reporter | None = None) -> Engine:
        return Engine(self.directory, reporter=reporter or Reporter(), trust=trusting(self.directory))

    def plan(self, **options: Any) -> Plan:
        with self.engine() as engine:
            return engine.plan(PlanOptions(**options))

    def apply(self, **options: Any) -> AppliedPlan:
        with self.engine() as engine:
            return engine.apply(PlanOptions(**options), lambda plan: True, Interrupt(), parallelism=4)

    def tree(self) -> dict[str, str]:
        """What is in the regions: path -> digest of the content, folders with a trailing slash. Without what differs
        between runs: the ids of directories, and in descriptions the fence and the stamps."""
        found: dict[str, str] = {}
        for folder, names, files in os.walk(self.regions):
            here = Path(folder).relative_to(self.directory)
            found |= {f"{here / name}/": "" for name in names}
            found |= {
                str(here / name): hashlib.sha256(_OF_THE_RUN.sub(b"", (Path(folder) / name).read_bytes())).hexdigest()
                for name in files
                if name != MARKER
            }
        return found


def gallery(name: str = "corp", **attributes: Any) -> Document:
    return {"kind": "Gallery", "name": name, "location": "eastus", **attributes}


def definition(gallery_name: str = "corp", name: str = "ubuntu", **attributes: Any) -> Document:
    identifier = {"publisher": "Contoso", "offer": gallery_name, "sku": name}
    base = {"osType": "Linux", "osState": "Generalized", "identifier": identifier}
    return {"kind": "ImageDefinition", "gallery": gallery_name, "name": name, **base, **attributes}


def version(source: Mapping[str, Any], image: str = "corp/ubuntu", name: str = "1.0.0", **attributes: Any) -> Document:
    return {
        "kind": "ImageVersion",
        "image": image,
        "name": name,
        "source": source,
        "targetRegions": ["eastus", "westus"],
        **attributes,
    }
