"""Small projects in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support.manifest_files import load_manifest

from reconciler.manifests.diagnostics import Diagnostic
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.manifest import Manifest

PROJECT = "project: test\nprovider: {type: local, root: regions}\n"
GALLERY = "kind: Gallery\nname: corp\nlocation: East US\n"
DEFINITION = """\
kind: ImageDefinition
gallery: corp
name: ubuntu
osType: Linux
osState: Generalized
identifier: {publisher: Contoso, offer: Ubuntu, sku: 24.10}
"""
VERSION = """\
kind: ImageVersion
image: corp/ubuntu
name: 1.0.0
source: {file: images/ubuntu.vhd}
"""

Load = Callable[..., Manifest]
Problems = Callable[..., Sequence[Diagnostic]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads documents, written to `manifests/a.yaml`, with the project file given."""

    def load_documents(*documents: str | bytes, project: str = PROJECT, environment: str | None = None) -> Manifest:
        write(tmp_path, *documents, project=project)
        return load_manifest(tmp_path, environment)

    return load_documents


@pytest.fixture
def problems(load: Load) -> Problems:
    """The diagnostics that loading documents ends in."""

    def diagnostics(*documents: str | bytes, **options: str) -> Sequence[Diagnostic]:
        with pytest.raises(ManifestError) as caught:
            load(*documents, **options)
        return caught.value.diagnostics

    return diagnostics


@pytest.fixture
def base() -> tuple[str, str, str]:
    """A gallery, a definition and a version that load."""
    return GALLERY, DEFINITION, VERSION


def write(folder: Path, *documents: str | bytes, project: str = PROJECT) -> None:
    (folder / "manifests").mkdir(exist_ok=True)
    (folder / "reconciler.yaml").write_text(project)
    parts = [document.encode() if isinstance(document, str) else document for document in documents]
    (folder / "manifests" / "a.yaml").write_bytes(b"---\n".join(parts))
