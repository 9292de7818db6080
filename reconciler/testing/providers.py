"""Providers made from settings as a project file has them, without a project file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.manifests.loading.project_loading import project_of
from reconciler.manifests.project import DEFAULT_PROVIDER
from reconciler.manifests.trust import Trust
from reconciler.providers.protocol import Provider
from reconciler.providers.registry import ProviderConfig, create_provider


def provider_config(
    backend: str, settings: Mapping[str, Any], folder: Path, trust: Trust | None = None
) -> ProviderConfig:
    """What an installed backend gets from these settings: checked by its model, with defaults filled in. `folder` is
    the project's, `trust` what is trusted beyond it.

    Raises: ManifestError naming everything that is wrong with them.
    """
    content = json.dumps({"project": "test", "provider": {"type": backend, **settings}})
    provider = project_of(folder, content.encode(), None, trust).providers[DEFAULT_PROVIDER]
    return ProviderConfig(DEFAULT_PROVIDER, provider.type, provider.settings, folder, trust or Trust())


def new_provider(backend: str, settings: Mapping[str, Any], folder: Path, trust: Trust | None = None) -> Provider:
    """A provider of an installed backend with these settings. Raises: ManifestError, ProviderError."""
    return create_provider(provider_config(backend, settings, folder, trust))
