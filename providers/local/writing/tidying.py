"""Removes what interrupted runs left of target regions, or completes what they had decided."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from reconciler.manifests.address import Address
from reconciler.providers.common.descriptions import Unreadable
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import Unavailable
from reconciler.providers.local.descriptions import Description, read_description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.effects import remove_empty_folders, remove_folder, rename, unlink
from reconciler.providers.local.directories.folders import FOLDER, failure, is_full_directory, open_folder
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.local.observation.copies import first_defect
from reconciler.providers.local.ownership import Ownership, descriptions_of
from reconciler.providers.local.writing.region_results import SIZE_FACTS
from reconciler.providers.owner import Writer


class Tidying:
    """Tidies target regions for one writer. Never touches what a later run left, or a run of another state."""

    def __init__(self, paths: ObjectPaths, writer: Writer) -> None:
        self._paths = paths
        self._writer = writer
        self._ownership = Ownership(paths, writer)

    def tidy(self, address: Address) -> None:
        """Tidies beside a region's folder and inside it. Raises: ProviderError."""
        folders = object_names.folder(address)
        try:
            path = self._paths.regions.ready_path(address.region)
        except Unavailable:  # tidied when it can be asked again
            return
        try:
            with contextlib.suppress(FileNotFoundError), open_folder(path, folders[:-1]) as parent:
                self._tidy_beside(parent, address)
            with contextlib.suppress(FileNotFoundError), open_folder(path, folders) as folder:
                self._tidy_in(folder, address)
        except OSError as error:
            raise failure(error, f"to tidy {address}", self._paths.folder(address)) from error
        remove_empty_folders(path, folders[:-1], self._writer)

    def _tidy_beside(self, parent: int, address: Address) -> None:
        for name in sorted(os.listdir(parent)):
            unfinished = object_names.unfinished(name)
            if unfinished is None or unfinished.name != address.version or not unfinished.is_left_for(self._writer):
                continue
            if unfinished.what == "replaced":
                self._settle_replaced(parent, name, address)
            else:
                remove_folder(parent, name, self._writer)

    def _settle_replaced(self, parent: int, replaced: str, address: Address) -> None:
        """A run ended while it replaced a region, with what was there before under the name `replaced`. That comes back
        if there is nothing in its place, or content that the version's description does not know yet: then not all
        regions of the version were replaced."""
        name, removed = address.version, object_names.hidden_name(address.version, "removed", self._writer)
        region = self._described_in(parent, address)
        if region is not None and self._is_to_stay(region, address):
            if self._is_whole(parent, region, address):  # else what was there before may be the last whole copy
                remove_folder(parent, replaced, self._writer)
        elif region is not None:
            remove_folder(parent, removed, self._writer)
            rename(parent, name, removed, self._writer)
            rename(parent, replaced, name, self._writer)
            os.fsync(parent)
            remove_folder(parent, removed, self._writer)
        elif not is_full_directory(parent, name):  # else it is not what a run put there: both stay
            remove_folder(parent, name, self._writer)
            rename(parent, replaced, name, self._writer)
            os.fsync(parent)

    def _described_in(self, parent: int, address: Address) -> Description | None:
        """The description of our region that is in the region's folder; None if there is none."""
        try:
            folder = os.open(address.version, FOLDER, dir_fd=parent)
        except OSError:
            return None
        try:
            region, _ = read_description(object_names.REGION_FILE, folder)
        except (OSError, Unreadable):
            return None
        finally:
            os.close(folder)
        return region if self._writer.owner.owns(region.mark, address) else None

    def _is_whole(self, parent: int, region: Description, address: Address) -> bool:
        folder = os.open(address.version, FOLDER, dir_fd=parent)
        try:
            return not first_defect(folder, str(self._paths.folder(address)), region, region.files)
        finally:
            os.close(folder)

    def _is_to_stay(self, region: Description, address: Address) -> bool:
        """Whether it has the content that its version is said to have, in so far as that is known."""
        versions = descriptions_of(self._paths, address.unit)
        return not versions or any(_same_content(version, region) for version in versions)

    def _tidy_in(self, folder: int, address: Address) -> None:
        try:
            description, _ = read_description(object_names.REGION_FILE, folder)
        except (FileNotFoundError, Unreadable):  # files with final names may be all that is left of the region
            description = None
        if description is None:
            surplus = [name for name in os.listdir(folder) if object_names.unfinished(name)]
        elif not self._writer.owner.owns(description.mark, address) or description.fence > self._writer.fence:
            return
        else:
            kept = {object_names.REGION_FILE, *description.files}
            surplus = [name for name in os.listdir(folder) if name not in kept]
            if surplus and first_defect(folder, str(self._paths.folder(address)), description, description.files):
                return  # one of them may be the last whole copy: the repair of the region removes them
        for name in surplus:
            if self._ownership.is_ours(name, description):
                unlink(folder, name, self._writer)
        os.fsync(folder)


def _same_content(version: Description, region: Description) -> bool:
    """Whether a region was filled with the disks of this version. Without digests, as of a Shallow version, the same
    run must have written both."""
    disks, copies = version.computed.get("disks", {}), region.computed.get("disks", {})
    if not disks:
        return True
    if disks.keys() != copies.keys() or any(_sizes(facts) != _sizes(copies[disk]) for disk, facts in disks.items()):
        return False
    digests = [(ContentDigest.in_facts(facts), ContentDigest.in_facts(copies[disk])) for disk, facts in disks.items()]
    if all(digest.known for digest, _ in digests):
        return all(digest.agrees(other) for digest, other in digests)
    return [digest for digest, _ in digests] == [other for _, other in digests] and version.fence == region.fence


def _sizes(facts: Mapping[str, Any]) -> list[Any]:
    return [facts.get(name) for name in SIZE_FACTS]
