"""`Project`: what `reconciler.yaml` says, with the overrides of an environment applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_ENVIRONMENT = "default"
DEFAULT_PROVIDER = "default"
DEFAULT_STATE = "sqlite:///.reconciler/state.db"
DEFAULT_KEEP_RUNS = 1000
DEFAULT_MANIFESTS = ("manifests",)


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """A backend's type and its settings: strings, lists and mappings as they were written."""

    type: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Project:
    """A project in one environment.

    `manifests` are files, folders and globs relative to `directory`. `region_sets` hold `REGION[=COUNT][=STORAGE]`.
    `keep_runs` is how many runs the state remembers.
    """

    name: str
    directory: Path
    environment: str
    manifests: tuple[str, ...]
    state: str
    providers: Mapping[str, ProviderSettings]
    values: Mapping[str, str]
    region_sets: Mapping[str, tuple[str, ...]]
    keep_runs: int = DEFAULT_KEEP_RUNS
