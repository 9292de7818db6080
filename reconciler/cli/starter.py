"""The files of a new project: small, complete, and meant to be changed."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.manifests.errors import ReconcilerError

_PROJECT = """\
# The project: where the manifests are, and which provider publishes the images.
project: {name}
manifests: [manifests]
provider: {{type: local, root: regions}}     # every folder in regions/ is a region
"""

_GALLERY = """\
kind: Gallery
name: corp
location: eastus
description: Images for every team
"""

_IMAGE = """\
kind: ImageDefinition
gallery: corp
name: hello
osType: Linux
osState: Generalized
hyperVGeneration: V1                       # boots from BIOS
identifier: {publisher: Contoso, offer: Examples, sku: hello}
versionDefaults:                           # defaults of every version
  targetRegions: [eastus, westus=2]        # REGION[=COUNT]
---
kind: ImageVersion
image: corp/hello
name: 1.0.0
source: {file: ../images/hello-1.0.0.img}  # relative to this file
"""

_IGNORED = """\
.reconciler/
regions/
images/
"""

_IMAGE_FILE = "images/hello-1.0.0.img"


def write_project(directory: Path, provider: str) -> tuple[Path, ...]:
    """Writes a project for the `local` provider and returns its files, in order.

    Raises: ReconcilerError if one of them exists; nothing is written then.
    """
    if provider != "local":
        raise ReconcilerError(f"there is no starter project for provider '{provider}'", "use: --provider local")
    texts = {
        "reconciler.yaml": _PROJECT.format(name=_project_name(directory)),
        "manifests/gallery.yaml": _GALLERY,
        "manifests/hello.yaml": _IMAGE,
        ".gitignore": _IGNORED,
    }
    paths = tuple(directory / name for name in (*texts, _IMAGE_FILE))
    _refuse_existing(paths)
    for name, text in texts.items():
        _write_new(directory / name, text)
    _write_image(directory / _IMAGE_FILE)
    return paths


def _refuse_existing(paths: tuple[Path, ...]) -> None:
    existing = [path for path in paths if path.exists() or path.is_symlink()]
    if existing:
        raise ReconcilerError(
            f"nothing was written, because of existing files: {', '.join(map(str, existing))}",
            "choose an empty folder: reconciler init DIR",
        )


def _write_new(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _write_image(path: Path) -> None:
    from reconciler.manifests.examples.boot_image import write_boot_image

    write_boot_image(path, "hello from hello 1.0.0")


def _project_name(directory: Path) -> str:
    """The folder's name, without what a project's name may not contain."""
    name = re.sub(r"[^a-z0-9-]+", "-", directory.resolve().name.lower()).strip("-")
    return name if name and name[0].isalpha() else "images"
