"""What the regions contain besides the objects of a scan: others' objects, and files that belong to none."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping

from reconciler.manifests.address import Address
from reconciler.providers.common.descriptions import Unreadable
from reconciler.providers.common.scanning import unmarked
from reconciler.providers.errors import ProviderError
from reconciler.providers.local.descriptions import read_description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.markers import is_marker
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.protocol import Observed

Look = Callable[[str, Address], Observed | None]
"""One object as its description in a region shows it. Raises: OSError, ProviderError."""


def unmanaged(
    paths: ObjectPaths, regions: Collection[str], wanted: Mapping[Address, object], look: Look
) -> Iterator[Observed]:
    """Everything in the regions that is not `wanted`, by region and path."""
    walk = _Walk(paths, wanted, look)
    for region in regions:
        yield from walk.region(region)


class _Walk:
    """A walk through the directories of the regions."""

    def __init__(self, paths: ObjectPaths, wanted: Mapping[Address, object], look: Look) -> None:
        self._paths = paths
        self._wanted = wanted
        self._look = look

    def region(self, region: str) -> Iterator[Observed]:
        for gallery in _entries(self._paths.regions.path(region)):
            if gallery.is_dir(follow_symlinks=False):
                yield from self._in_gallery(region, gallery)
            elif not is_marker(gallery.name):
                yield unmarked(Address(gallery.name), f"{region}/{gallery.name}")

    def _in_gallery(self, region: str, gallery: os.DirEntry[str]) -> Iterator[Observed]:
        address = Address(gallery.name)
        for entry in _entries(gallery.path):
            if entry.name == object_names.description_file(address):
                yield from self._unless_wanted(region, address)
            elif entry.is_dir(follow_symlinks=False):
                yield from self._in_definition(region, Address(gallery.name, entry.name), entry.path)
            else:
                yield unmarked(address, f"{region}/{gallery.name}/{entry.name}")

    def _in_definition(self, region: str, address: Address, folder: str) -> Iterator[Observed]:
        for entry in _entries(folder):
            object_id = f"{region}/{address.gallery}/{address.definition}/{entry.name}"
            if entry.name == object_names.description_file(address):
                yield from self._unless_wanted(region, address)
            elif entry.is_dir(follow_symlinks=False):
                version = address._replace(version=entry.name, region=region)
                if version in self._wanted:
                    yield from self._foreign_files(version, entry.path, object_id)
                else:
                    yield from self._unless_wanted(region, version, object_id)
            elif entry.name.endswith(".json"):
                yield from self._unless_wanted(region, address._replace(version=entry.name[:-5]))
            else:
                yield unmarked(address, object_id)

    def _unless_wanted(self, region: str, address: Address, object_id: str = "") -> Iterator[Observed]:
        if address in self._wanted:
            return
        try:
            seen = self._look(region, address)
        except (OSError, ProviderError):
            pass
        else:
            if seen is None:  # an empty folder
                return
            yield seen
            return
        yield unmarked(address, object_id or object_names.object_id(region, address))

    def _foreign_files(self, address: Address, folder: str, object_id: str) -> Iterator[Observed]:
        """Files in one of our own folders that its description does not name."""
        try:
            description, _ = read_description(self._paths.description(address))
        except (OSError, Unreadable, ProviderError):
            return
        for entry in _entries(folder):
            if entry.name != object_names.REGION_FILE and entry.name not in description.files:
                yield unmarked(address, f"{object_id}/{entry.name}", "a file that does not belong here")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """The entries of a directory, sorted by name; none if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
