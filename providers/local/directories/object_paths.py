"""The paths of objects in the directories of their regions."""

from __future__ import annotations

import os
from dataclasses import dataclass

from reconciler.manifests.address import Address
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.regions import Regions


@dataclass(frozen=True, slots=True)
class ObjectPaths:
    """Paths of objects in the regions that the settings name."""

    regions: Regions

    def present(self) -> tuple[str, ...]:
        """The regions that have a directory. Raises: Unavailable."""
        return self.regions.present()

    def folder(self, address: Address, region: str = "") -> str:
        """The folder of an object's description; `region` is the home region of anything but a target region."""
        return "/".join((self.regions.path(address.region or region), *object_names.folder(address)))

    def description(self, address: Address, region: str = "") -> str:
        """The path of an object's description."""
        return f"{self.folder(address, region)}/{object_names.description_file(address)}"

    def contain(self, path: str) -> bool:
        """Whether a path is in a region's directory, links followed."""
        real = os.path.realpath(path)
        roots = [self.regions.root] if self.regions.root else self.regions.paths.values()
        return any(real.startswith(os.path.realpath(root).rstrip("/") + "/") for root in roots)
