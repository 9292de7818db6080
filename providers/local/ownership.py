"""Who owns a target region's folder, and which files in it are ours.

A folder without a readable description is ours where its version's description says so. Where that is lost as well, the
record decides: a step that is `recorded` may take over a folder in which every name is one that we give.
"""

from __future__ import annotations

import os

from reconciler.manifests.address import Address
from reconciler.providers.common.descriptions import Unreadable
from reconciler.providers.common.ownership import require_mark, require_not_newer
from reconciler.providers.errors import ObjectConflict, ProviderError
from reconciler.providers.local.descriptions import Description, read_description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.folders import FOLDER, is_full_directory, not_followed, open_folder
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.owner import OwnerMark, Writer


class Ownership:
    """What belongs to the owner that a writer writes for."""

    def __init__(self, paths: ObjectPaths, writer: Writer) -> None:
        self.writer = writer
        self._paths = paths

    def mark(self, address: Address) -> OwnerMark:
        """Our owner mark for an object."""
        return self.writer.owner.mark(address)

    def require_free(self, parent: int, address: Address, *, recorded: bool) -> None:
        """Raises: ObjectConflict if something is in the way that is not our own region, which may be recreated;
        ProviderError if a later run wrote it."""
        try:
            folder = os.open(address.version, FOLDER, dir_fd=parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise not_followed(self._paths.folder(address)) from error
        try:
            if names := os.listdir(folder):
                self._require_ours(folder, names, address, recorded=recorded)
        finally:
            os.close(folder)

    def _require_ours(self, folder: int, names: list[str], address: Address, *, recorded: bool) -> None:
        description = self._description(folder, names, address, recorded=recorded)
        if description is not None:
            require_not_newer(description.fence, self.writer, address)
        foreign = [name for name in names if not self.is_ours(name, description) or is_full_directory(folder, name)]
        if foreign:
            raise ObjectConflict(
                f"{address} contains files that are not ours: {', '.join(sorted(foreign))}",
                "move these files away, then apply again",
            )

    def _description(self, folder: int, names: list[str], address: Address, *, recorded: bool) -> Description | None:
        """The description of our region in `folder`; None if it is damaged or missing and the region is ours anyway."""
        try:
            description, _ = read_description(object_names.REGION_FILE, folder)
        except (FileNotFoundError, Unreadable) as error:
            mark = mark_of_version(self._paths, address)
            evidence = self.writer.owner.owns(mark, address) if mark else recorded
            if evidence and all(map(object_names.is_ours, names)):
                return None
            raise ObjectConflict(
                f"{address}: its owner is unknown: {object_names.REGION_FILE} is missing or damaged",
                "check the folder, and move it away if no one needs it",
            ) from error
        require_mark(description.mark, self.writer.owner, address)
        return description

    def is_ours(self, name: str, description: Description | None) -> bool:
        """Whether a file in a region's folder is one that this lineage wrote."""
        unfinished = object_names.unfinished(name)
        if unfinished is not None and not unfinished.is_left_for(self.writer):
            return False
        return object_names.is_ours(name) or (description is not None and name in description.files)


def mark_of_version(paths: ObjectPaths, region: Address) -> OwnerMark | None:
    """The mark that a target region has if its version's owner created it; None if that is unknown."""
    for description in descriptions_of(paths, region.unit):
        if description.mark is not None and description.mark.address == region.unit:
            return OwnerMark(description.mark.lineage, region, description.mark.seal)
    return None


def descriptions_of(paths: ObjectPaths, version: Address) -> list[Description]:
    """The descriptions of a version that can be read: one, unless its home region is just changing."""
    found = []
    for home in paths.present():
        try:
            with open_folder(paths.regions.path(home), object_names.folder(version)) as folder:
                found.append(read_description(object_names.description_file(version), folder)[0])
        except (OSError, Unreadable, ProviderError):  # not its home, or of no help
            continue
    return found
