"""Where the regions are: the settings of the `local` provider, checked and made absolute."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from reconciler.manifests.regions import canonical_region
from reconciler.providers.errors import ProviderError, Unavailable
from reconciler.providers.registry import ProviderConfig

_KNOWN = ("root", "regions", "regionNames")
_SHAPES = "write `root: DIRECTORY` (with `regionNames: [...]` if you like) or `regions: {REGION: DIRECTORY, ...}`"


@dataclass(frozen=True, slots=True)
class Regions:
    """The directories that are regions, absolute: one each in `paths`, or any of `names` (None: any name) in `root`.

    `root` is empty when `paths` counts.
    """

    root: str
    paths: Mapping[str, str]
    names: frozenset[str] | None

    def path(self, region: str) -> str:
        """The region's directory, whether it is there or not. Raises: ProviderError for a region not offered."""
        if self.names is not None and region not in self.names:
            raise ProviderError(
                f"the local provider has no region '{region}'", f"its regions are: {', '.join(sorted(self.names))}"
            )
        return self.paths.get(region) or f"{self.root}/{region}"

    def ready_path(self, region: str) -> str:
        """The region's directory, which may have to be made when it is one of `root`.

        Raises: ProviderError for a region not offered; Unavailable when a promised directory is not there.
        """
        path = self.path(region)
        if not self.root and not os.path.isdir(path):
            raise Unavailable(f"the directory '{path}' of region {region} is not there", "is it mounted?")
        return path

    def present(self) -> tuple[str, ...]:
        """The regions that have a directory, sorted. Raises: Unavailable when that cannot be told."""
        if not self.root:
            return tuple(sorted(name for name, path in self.paths.items() if os.path.isdir(path)))
        try:
            with os.scandir(self.root) as entries:
                return tuple(sorted(entry.name for entry in entries if self._is_region(entry.name) and entry.is_dir()))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise Unavailable(f"'{self.root}' cannot be listed: {error.strerror}", "check its permissions") from error

    def _is_region(self, name: str) -> bool:
        if self.names is not None:
            return name in self.names
        try:
            return canonical_region(name) == name
        except ValueError:
            return False

    def missing(self) -> Mapping[str, str]:
        """Region -> why it cannot be asked, for the regions whose directory was promised and is not there."""
        return {
            name: f"the directory '{path}' of region {name} is not there (is it mounted?)"
            for name, path in self.paths.items()
            if not os.path.isdir(path)
        }


def read_settings(config: ProviderConfig) -> Regions:
    """The regions that `config` describes. Raises: ProviderError when it cannot be understood, naming every fault."""
    settings = config.settings
    faults = [_unknown(name) for name in settings if name not in _KNOWN]
    if ("root" in settings) == ("regions" in settings):
        faults.append(_SHAPES)
    if "regions" in settings and "regionNames" in settings:
        faults.append("`regionNames` belongs to `root`; with `regions` the names are its keys")
    project = str(config.project_dir)
    root, paths, names = "", {}, None
    if "root" in settings and not faults:
        root, names = _root(settings, project, faults)
    elif "regions" in settings and not faults:
        paths = _paths(settings["regions"], project, faults)
        names = frozenset(paths)
    if faults:
        raise ProviderError(f"provider '{config.name}': " + "; ".join(faults), "correct it in the project file")
    return Regions(root, paths, names)


def _unknown(name: str) -> str:
    nearest = difflib.get_close_matches(name, _KNOWN, n=1)
    hint = f" (did you mean '{nearest[0]}'?)" if nearest else f" (known are: {', '.join(_KNOWN)})"
    return f"unknown setting '{name}'{hint}"


def _root(settings: Mapping[str, Any], project: str, faults: list[str]) -> tuple[str, frozenset[str] | None]:
    root = _directory(settings["root"], project, "root", faults)
    names = settings.get("regionNames")
    if root and (os.path.realpath(project) + "/").startswith(os.path.realpath(root).rstrip("/") + "/"):
        faults.append(f"`root: {settings['root']}` holds the project itself; give a directory for the regions alone")
    if names is None:
        return root, None
    if not isinstance(names, list) or not names:
        faults.append("`regionNames` is a list of regions")
        return root, None
    return root, frozenset(_region(name, faults) for name in names)


def _paths(regions: Any, project: str, faults: list[str]) -> dict[str, str]:
    if not isinstance(regions, Mapping) or not regions:
        faults.append(_SHAPES)
        return {}
    paths: dict[str, str] = {}
    for written, value in regions.items():
        name = _region(written, faults)
        if name in paths:
            faults.append(f"region {name} is there twice")
        paths[name] = _directory(value, project, f"regions.{written}", faults)
    real = sorted((os.path.realpath(path) + "/", name) for name, path in paths.items())
    for (outer, one), (inner, other) in pairwise(real):
        if inner.startswith(outer):
            faults.append(f"the directory of region {other} is the one of {one}, or inside it")
    return paths


def _region(name: Any, faults: list[str]) -> str:
    try:
        return canonical_region(str(name))
    except ValueError as error:
        faults.append(str(error))
        return str(name)


def _directory(value: Any, project: str, what: str, faults: list[str]) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        faults.append(f"`{what}` is the path of a directory")
        return ""
    return os.path.normpath(os.path.join(project, value))
