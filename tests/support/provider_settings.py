"""Provider settings as a project file has them: what is accepted of them, and what is refused where."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.manifests.diagnostics import Diagnostic
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.loading.project_loading import read_project
from reconciler.manifests.trust import Trust
from reconciler.providers.registry import ProviderConfig


def accepted(folder: Path, backend: str, settings: Mapping[str, Any], trust: Trust | None = None) -> ProviderConfig:
    """What the backend of the provider `main` gets when the project file in `folder` has these settings.

    Raises: ManifestError.
    """
    providers = {"main": {"type": backend, **settings}}
    text = json.dumps({"project": "test", "providers": providers}, indent=1)
    (folder / "reconciler.yaml").write_text(text)
    provider = read_project(folder, None, trust).providers["main"]
    return ProviderConfig("main", provider.type, provider.settings, folder, trust or Trust())


def refused(
    folder: Path, backend: str, settings: Mapping[str, Any], trust: Trust | None = None
) -> Sequence[Diagnostic]:
    """What is wrong with settings, each with its place in the project file."""
    with pytest.raises(ManifestError) as caught:
        accepted(folder, backend, settings, trust)
    assert all(problem.position and problem.position.line for problem in caught.value.diagnostics)
    return caught.value.diagnostics


def said(problem: Diagnostic) -> str:
    """A problem as one line: where in the file, what, and what to do."""
    return f"{problem.line.strip()} | {problem.summary} | {problem.detail}"


def install(
    monkeypatch: pytest.MonkeyPatch, folder: Path, code: str, *, settings: str = "", name: str = "acme-reconciler"
) -> None:
    """Makes the backend `acme` of somebody else's package importable for one test: `code` is its module, which has
    `create_provider`, and `settings` the module with its model, if it has one."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    points = f"[reconciler.providers]\nacme = {module}:create_provider\n"
    if settings:
        (folder / f"{module}_settings.py").write_text(settings)
        points += f"[reconciler.provider_settings]\nacme = {module}_settings:Settings\n"
    metadata = folder / f"{module}-0.3.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.3\n")
    (metadata / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(folder))
    for loaded in (module, f"{module}_settings"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
