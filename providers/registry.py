"""Backends are found by name through the entry-point group `reconciler.providers` and loaded when asked for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from providers.errors import ProviderError, Unsupported
from providers.protocol import Provider

GROUP = "reconciler.providers"


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """What a backend is made from: its name, type and settings in the project file, and the project's folder."""

    name: str
    type: str
    settings: Mapping[str, Any]
    project_dir: Path


ProviderFactory = Callable[[ProviderConfig], Provider]


def create_provider(config: ProviderConfig) -> Provider:
    """The backend of `config.type`.

    Raises: Unsupported when no installed package offers that type; ProviderError when it cannot be loaded or its
    settings are wrong.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    point = found.get(config.type)
    if point is None:
        nearest = difflib.get_close_matches(config.type, found, n=1)
        hint = f"did you mean '{nearest[0]}'? " if nearest else ""
        raise Unsupported(
            f"provider '{config.name}': no backend of type '{config.type}' is installed",
            f"{hint}installed: {', '.join(sorted(found))}",
        )
    try:
        factory: ProviderFactory = point.load()
    except ImportError as cause:
        raise ProviderError(
            f"provider '{config.name}': the backend '{config.type}' needs a package that is missing: {cause}",
            f"install it with: pip install 'reconciler[{config.type}]'",
        ) from cause
    return factory(config)
