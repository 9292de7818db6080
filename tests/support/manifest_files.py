"""Projects and manifests read from their files, past the cache, so that nothing is written beside them."""

from __future__ import annotations

from pathlib import Path

from reconciler.manifests.loading.manifest_loading import read_manifest
from reconciler.manifests.loading.project_loading import read_project
from reconciler.manifests.manifest import Manifest


def load_manifest(directory: Path, environment: str | None = None) -> Manifest:
    """What the project in `directory` declares in `environment`. Raises: ManifestError."""
    return read_manifest(read_project(directory, environment))[1]
