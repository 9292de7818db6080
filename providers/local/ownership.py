"""Who owns a target region's folder, and which files in it are ours."""

from __future__ import annotations

import os

from reconciler.manifests.address import Address
from reconciler.providers.common.descriptions import Unreadable
from reconciler.providers.common.ownership import require_mark
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.local.descriptions import Description, read_description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.folders import not_followed, open_folder, remove_folder
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

    def require_free(self, parent: int, address: Address) -> None:
        """Raises: ObjectConflict if something is in the way that is not our own region, which may be recreated."""
        if exists(parent, address.version):
            self.require_ours(parent, address)

    def require_ours(self, parent: int, address: Address) -> None:
        """Raises: ObjectConflict unless the region's folder is ours and so is everything in it."""
        try:
            folder = os.open(address.version, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except NotADirectoryError as error:
            raise not_followed(self._paths.folder(address)) from error
        try:
            description = self.description(folder, address)
            foreign = [name for name in os.listdir(folder) if not self.is_ours(name, description)]
        finally:
            os.close(folder)
        if foreign:
            raise ObjectConflict(
                f"{address} contains files that are not ours: {', '.join(sorted(foreign))}",
                "move these files away, then apply again",
            )

    def description(self, folder: int, address: Address) -> Description | None:
        """The description of our region in `folder`; None if it is damaged or missing and the region is ours anyway."""
        try:
            description, _ = read_description(object_names.REGION_FILE, folder)
        except (FileNotFoundError, Unreadable) as error:
            if self.writer.owner.owns(mark_of_broken(self._paths, address), address):
                return None
            raise ObjectConflict(
                f"{address}: its owner is unknown: {object_names.REGION_FILE} is missing or damaged",
                "check the folder, and move it away if no one needs it",
            ) from error
        require_mark(description.mark, self.writer.owner, address)
        return description

    def remove_leftovers(self, parent: int, address: Address) -> None:
        """Removes what an interrupted run of this lineage left of this region."""
        remove_folder(parent, object_names.staging_name(address.version, self.writer.lineage))
        self.remove_removed(parent, address)

    def remove_removed(self, parent: int, address: Address) -> None:
        """Removes what was this region before it was deleted or replaced."""
        remove_folder(parent, object_names.removed_name(address.version, self.writer.lineage))

    def is_ours(self, name: str, description: Description | None) -> bool:
        """Whether a file in a region's folder is one that this lineage wrote."""
        unfinished = object_names.unfinished(name)
        if unfinished is not None and unfinished[1] != object_names.short_lineage(self.writer.lineage):
            return False
        return object_names.is_ours(name) or (description is not None and name in description.files)


def mark_of_broken(paths: ObjectPaths, region: Address) -> OwnerMark | None:
    """The owner mark of a target region whose description cannot be read: that of its version's owner if every file in
    the folder has a name that we give; else None. Raises: OSError, ObjectConflict."""
    with open_folder(paths.regions.path(region.region), object_names.folder(region)) as folder:
        names = os.listdir(folder)
    if not names or not all(object_names.is_ours(name) for name in names):
        return None
    version = region.unit
    for home in paths.present():
        try:
            with open_folder(paths.regions.path(home), object_names.folder(version)) as folder:
                description, _ = read_description(object_names.description_file(version), folder)
        except (OSError, Unreadable, ObjectConflict):  # not its home, or of no help
            continue
        if description.mark is not None and description.mark.address == version:
            return OwnerMark(description.mark.lineage, region, description.mark.seal)
    return None


def exists(folder: int, name: str) -> bool:
    """Whether the directory `folder` has an entry of this name, a broken link included."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
