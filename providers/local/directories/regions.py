"""Where the regions of the `local` provider are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.manifests.regions import canonical_region
from reconciler.manifests.trust import Trust
from reconciler.providers.errors import ProviderError, Unavailable
from reconciler.providers.local.containment import why_outside
from reconciler.providers.local.directories.markers import MARKER, difference
from reconciler.providers.registry import ProviderConfig


@dataclass(frozen=True, slots=True)
class Regions:
    """The directories that are regions, absolute: one each in `paths`, or any of `names` (None: any name) in `root`.

    `root` is empty when `paths` counts. `recorded`: region -> the recorded id of its directory, as far as the engine
    has passed it on; nothing is written to another one.
    """

    root: str
    paths: Mapping[str, str]
    names: frozenset[str] | None
    recorded: dict[str, str] = field(default_factory=dict)
    project: Path = Path()
    trust: Trust = field(default_factory=Trust)
    _allowed: set[str] = field(default_factory=set)

    def path(self, region: str) -> str:
        """The region's directory, whether it exists or not. Raises: ProviderError for a region not offered."""
        if self.names is not None and region not in self.names:
            raise ProviderError(
                f"the local provider has no region '{region}'", f"its regions are: {', '.join(sorted(self.names))}"
            )
        path = self._written(region)
        self._require_allowed(path)
        return path

    def why_refused(self, region: str) -> str:
        """Why the directory of an offered region is not looked at, as it leads out of the project; empty if it is."""
        return why_outside(self._written(region), self.project, self.trust)

    def _written(self, region: str) -> str:
        return self.paths.get(region) or f"{self.root}/{region}"

    def _require_allowed(self, path: str) -> None:
        """Raises: ProviderError for a directory that leads out of the project. It is looked at once in a command."""
        if path in self._allowed:
            return
        if why := why_outside(path, self.project, self.trust):
            raise ProviderError(*_sentences(why))
        self._allowed.add(path)

    def ready_path(self, region: str) -> str:
        """The region's directory, which may not exist yet when it is one of `root`.

        Raises: ProviderError for a region not offered; Unavailable when a directory of `paths` is missing, or is
        another one than is recorded.
        """
        path = self.path(region)
        if why := self.elsewhere(region):
            raise Unavailable(why)
        if not self.root and not os.path.isdir(path):
            raise Unavailable(f"the directory '{path}' of region {region} is missing", "is it mounted?")
        return path

    def elsewhere(self, region: str) -> str:
        """Why nothing may be written to a region: it is not in its recorded place, or is new in a root in which no
        other region is in its own, as when the root is not mounted. Empty if it may."""
        if region in self.recorded or not self.root:
            return self.difference(region, self.recorded[region]) if region in self.recorded else ""
        others = [self.difference(other, recorded) for other, recorded in sorted(self.recorded.items())]
        return others[0] if others and all(others) else ""

    def difference(self, region: str, recorded: str) -> str:
        """Why the region's directory is not the one with the `recorded` id, and what to do; empty if it is that one.
        Raises: ProviderError for a region not offered."""
        path = self.path(region)
        found = difference(path, recorded)
        if not found:
            return ""
        return (
            f"region {region} is the directory '{path}' with the id {recorded} in its file {MARKER}, but {found}: mount"
            f" it; if it is lost for good, accept what is there with: reconciler state place {region} --accept"
        )

    def present(self) -> tuple[str, ...]:
        """The regions that have a directory, sorted. Raises: Unavailable when that cannot be found out."""
        for path in [self.root] if self.root else self.paths.values():
            self._require_allowed(path)
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


def configured_regions(config: ProviderConfig) -> Regions:
    """The regions that accepted settings describe."""
    settings, project = config.settings, config.project_dir
    if "root" in settings:
        names = settings.get("regionNames")
        allowed = None if names is None else frozenset(names)
        return Regions(_absolute(project, settings["root"]), {}, allowed, project=project, trust=config.trust)
    paths = {name: _absolute(project, path) for name, path in settings["regions"].items()}
    return Regions("", paths, frozenset(paths), project=project, trust=config.trust)


def _sentences(why: str) -> tuple[str, str]:
    summary, _, remedy = why.partition(": ")
    return summary, remedy


def _absolute(project: Path, path: str) -> str:
    return os.path.normpath(os.path.join(project, path))
