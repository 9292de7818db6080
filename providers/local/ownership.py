"""Whose a region's folder is, and what in it is ours."""

from __future__ import annotations

import os

from reconciler.manifests.address import Address
from reconciler.providers.common.ownership import require_mark
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.local import object_names
from reconciler.providers.local.documents import mark_of_broken
from reconciler.providers.local.object_paths import Places
from reconciler.providers.local.objects import Description, Unreadable, not_followed, read_description, remove_folder
from reconciler.providers.protocol import OwnerMark


class Ownership:
    """Answers for one lineage."""

    def __init__(self, places: Places, lineage: str) -> None:
        self.lineage = lineage
        self._places = places

    def mark(self, address: Address) -> OwnerMark:
        return OwnerMark(self.lineage, address)

    def require_free(self, parent: int, address: Address) -> None:
        """Our own object may be made again; anything else in the way is a conflict."""
        if is_there(parent, address.version):
            self.require_ours(parent, address)

    def require_ours(self, parent: int, address: Address) -> None:
        """Raises: ObjectConflict unless the region's folder is ours and so is all that is in it."""
        try:
            folder = os.open(address.version, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except NotADirectoryError as error:
            raise not_followed(self._places.folder(address)) from error
        try:
            description = self.description(folder, address)
            strange = [name for name in os.listdir(folder) if not self.is_ours(name, description)]
        finally:
            os.close(folder)
        if strange:
            raise ObjectConflict(
                f"{address} holds what is not ours: {', '.join(sorted(strange))}",
                "move these files away, then apply again",
            )

    def description(self, folder: int, address: Address) -> Description | None:
        """The description of our region in `folder`; None when it is broken and the region is ours all the same."""
        ours = self.mark(address)
        try:
            description, _ = read_description(object_names.REGION_FILE, folder)
        except (FileNotFoundError, Unreadable) as error:
            if mark_of_broken(self._places, address) == ours:
                return None
            raise ObjectConflict(
                f"{address}: it cannot be told whose this is: {object_names.REGION_FILE} is missing or damaged",
                "look at the folder, and move it away if nobody needs it",
            ) from error
        require_mark(description.mark, ours)
        return description

    def remove_leftovers(self, parent: int, address: Address) -> None:
        """What an interrupted run of this lineage left of this region."""
        remove_folder(parent, object_names.staging_name(address.version, self.lineage))
        self.remove_removed(parent, address)

    def remove_removed(self, parent: int, address: Address) -> None:
        """What was this region until it was deleted or replaced."""
        remove_folder(parent, object_names.removed_name(address.version, self.lineage))

    def is_ours(self, name: str, description: Description | None) -> bool:
        unfinished = object_names.unfinished(name)
        if unfinished is not None and unfinished[1] != object_names.short_lineage(self.lineage):
            return False
        return object_names.is_ours(name) or (description is not None and name in description.files)


def is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
