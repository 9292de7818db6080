"""Descriptions that were lost inside a target region are written again, once the bytes of all copies have been read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from stat import S_ISREG
from typing import Any

from reconciler.manifests.address import Address
from reconciler.providers.common.descriptions import Unreadable
from reconciler.providers.common.scanning import counting
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError
from reconciler.providers.local.descriptions import Description, read_description, write_description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.folders import open_folder
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.local.observation.copies import content_defect
from reconciler.providers.local.ownership import Ownership
from reconciler.providers.local.writing.region_results import CONTENT_FACTS, applied
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, ProgressCallback, Step


class Restoration:
    """Restores descriptions for one writer."""

    def __init__(self, paths: ObjectPaths, writer: Writer, progress: ProgressCallback) -> None:
        self._paths = paths
        self._writer = writer
        self._ownership = Ownership(paths, writer)
        self._progress = progress

    def restore(self, step: Step, recorded: Mapping[str, Any]) -> Applied | None:
        """The region with its description written again; None if that was not lost, or if its copies are not all there
        with the `recorded` content (disk -> facts): then the region has to be filled again."""
        address = step.address
        try:
            path, folders = self._paths.regions.ready_path(address.region), object_names.folder(address)
            with open_folder(path, folders[:-1]) as parent:
                self._ownership.require_free(parent, address, recorded=step.recorded)
            with open_folder(path, folders) as folder:
                copies = _copies(step, recorded)
                if not _is_lost(folder) or not self._are_whole(folder, address, copies, recorded):
                    return None
                return self._describe(folder, step, copies, recorded)
        except (OSError, ProviderError):  # filling it again meets the same error, and reports it
            return None

    def _are_whole(self, folder: int, address: Address, copies: Mapping[str, str], recorded: Mapping[str, Any]) -> bool:
        """Whether the folder has exactly these copies, all of them files of their own with the recorded content."""
        present = {name for name in os.listdir(folder) if object_names.replica_of(name)}
        if not copies or present != copies.keys():
            return False
        files = [os.stat(name, dir_fd=folder, follow_symlinks=False) for name in copies]
        if len({(file.st_dev, file.st_ino) for file in files}) < len(files):
            return False
        sizes = [int(recorded[disk]["size"]) for disk in copies.values()]
        if not all(map(_is_file_of_size, files, sizes)):
            return False
        advance, place = counting(address, sum(sizes), self._progress), self._paths.folder(address)
        return not any(content_defect(f"{place}/{name}", recorded[disk], advance) for name, disk in copies.items())

    def _describe(self, folder: int, step: Step, copies: Mapping[str, str], recorded: Mapping[str, Any]) -> Applied:
        address, planned = step.address, step.planned or {}
        facts = {disk: {key: known[key] for key in CONTENT_FACTS if key in known} for disk, known in recorded.items()}
        computed = {"disks": facts}
        mark, fence = self._ownership.mark(address), self._writer.fence
        status_of = partial(os.stat, dir_fd=folder, follow_symlinks=False)
        stamps = [(name, object_names.stamp(status_of(name))) for name in copies]
        description = Description(mark, planned, computed, copies, fence=fence, stamps=dict(stamps))
        status = write_description(folder, object_names.REGION_FILE, description, self._writer)
        return applied(address, planned, computed, [(object_names.REGION_FILE, object_names.stamp(status)), *stamps])


def _copies(step: Step, recorded: Mapping[str, Any]) -> dict[str, str]:
    """Name -> disk, of the copies that the region is to have; none if it is not known what is in them."""
    if not all(ContentDigest.in_facts(facts).known for facts in recorded.values()):
        return {}
    replicas = range(1, int((step.planned or {})["replicas"]) + 1)
    names = {
        object_names.replica_file(number, disk, str(facts["format"])): disk
        for disk, facts in recorded.items()
        for number in replicas
    }
    return dict(sorted(names.items()))


def _is_file_of_size(status: os.stat_result, size: int) -> bool:
    return S_ISREG(status.st_mode) and status.st_size == size


def _is_lost(folder: int) -> bool:
    try:
        read_description(object_names.REGION_FILE, folder)
    except (FileNotFoundError, Unreadable):
        return True
    return False
