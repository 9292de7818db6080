"""Changes and removes the folders of target regions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.errors import ReconcilerError
from reconciler.providers.common.descriptions import Unreadable
from reconciler.providers.common.ownership import require_mark, require_not_newer
from reconciler.providers.common.steps import vanished
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ObjectConflict, SourceError
from reconciler.providers.image_files.copying import Sink, copy_extent
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.local.descriptions import Description, read_description, write_description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.effects import (
    create_copy,
    remove_empty_folders,
    remove_folder,
    rename,
    unlink,
)
from reconciler.providers.local.directories.folders import exists, failure, open_folder
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.local.observation.copies import first_defect
from reconciler.providers.local.ownership import Ownership
from reconciler.providers.local.writing.region_results import applied
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, ProgressCallback, Step


class RegionChanges:
    """Changes and removes regions for one writer."""

    def __init__(self, paths: ObjectPaths, writer: Writer, progress: ProgressCallback) -> None:
        self._paths = paths
        self._ownership = Ownership(paths, writer)
        self._writer = writer
        self._progress = progress

    def update(self, step: Step) -> Applied:
        """Changes a region's attributes and number of replicas. Raises: ProviderError."""
        address = step.address
        path, folders = self._paths.regions.ready_path(address.region), object_names.folder(address)
        try:
            with open_folder(path, folders) as folder:
                return self._update_in(folder, step)
        except FileNotFoundError as error:
            raise vanished(address) from error
        except OSError as error:
            raise failure(error, f"to update {address}", self._paths.folder(address)) from error

    def _update_in(self, folder: int, step: Step) -> Applied:
        address, planned = step.address, step.planned or {}
        try:
            description, _ = read_description(object_names.REGION_FILE, folder)
        except Unreadable as error:
            raise ObjectConflict(f"{address}: {object_names.REGION_FILE} {error}", "plan again") from error
        require_mark(description.mark, self._writer.owner, address)
        require_not_newer(description.fence, self._writer, address)
        wanted = int(planned["replicas"])
        kept = {name: disk for name, disk in description.files.items() if _number(name) <= wanted}
        surplus = sorted(description.files.keys() - kept.keys())
        facts = description.computed["disks"]
        added = {} if description.computed.get("shallow") else self._add_replicas(folder, address, kept, facts, wanted)
        files = {**kept, **added}
        self._require_whole(folder, address, description, kept)
        copies = {
            name: object_names.stamp(os.stat(name, dir_fd=folder, follow_symlinks=False)) for name in sorted(files)
        }
        mark, fence = self._ownership.mark(address), self._writer.fence
        changed = Description(mark, planned, description.computed, files, fence=fence, stamps=copies)
        status = write_description(folder, object_names.REGION_FILE, changed, self._writer)
        for name in surplus:
            unlink(folder, name, self._writer)
        os.fsync(folder)
        stamps = [(object_names.REGION_FILE, object_names.stamp(status)), *copies.items()]
        stamps += description.computed.get("shallow", {}).items()
        return applied(address, planned, description.computed, stamps)

    def _require_whole(self, folder: int, address: Address, description: Description, kept: Mapping[str, str]) -> None:
        """Raises: SourceError if a copy has changed since it was complete, and its bytes are other ones."""
        known = kept.keys() & description.stamps.keys()
        if defect := first_defect(folder, str(self._paths.folder(address)), description, known):
            raise SourceError(f"{address}: {defect}", "plan again: the region will be repaired")

    def _add_replicas(
        self, folder: int, address: Address, kept: Mapping[str, str], facts: Mapping[str, Any], wanted: int
    ) -> dict[str, str]:
        """Adds the missing replicas of each disk as copies of the first; new file -> disk."""
        added: dict[str, str] = {}
        for first, disk in sorted(kept.items()):
            if _number(first) != 1:
                continue
            names = [first.replace("replica-1.", f"replica-{number}.", 1) for number in range(2, wanted + 1)]
            names = [name for name in names if name not in kept]
            if names:
                self._copy_within(folder, address, first, names, facts[disk])
                added |= dict.fromkeys(names, disk)
        return added

    def _copy_within(
        self, folder: int, address: Address, first: str, names: Sequence[str], facts: Mapping[str, Any]
    ) -> None:
        """Copies the file `first` to `names` in the same folder, each aside until all are complete. Raises: SourceError
        if `first` is damaged; OSError."""
        size = int(facts["size"])
        extent = Extent(
            f"{self._paths.folder(address)}/{first}", 0, size, f"the copy '{address}' ({first})", followed=False
        )
        hidden = [object_names.hidden_name(name, "new", self._writer) for name in names]
        sinks: list[Sink] = []
        try:
            for name in hidden:
                unlink(folder, name, self._writer)
                sinks.append(Sink(create_copy(folder, name, self._writer)))
            published = ContentDigest.in_facts(facts)
            advance = partial(self._count, address, [0], size)
            if not copy_extent(extent, sinks, advance, plain=published.is_plain).agrees(published):
                raise SourceError(
                    f"the copy '{address}' ({first}) is damaged", "plan again: the region will be repaired"
                )
            for sink in sinks:
                if sink.error is not None:
                    raise sink.error
                os.fsync(sink.fd)
            for name, final in zip(hidden, names, strict=True):
                rename(folder, name, final, self._writer)
        finally:
            for sink in sinks:
                os.close(sink.fd)
            for name in hidden:
                with contextlib.suppress(OSError, ReconcilerError):
                    unlink(folder, name, self._writer)

    def delete(self, step: Step) -> Applied:
        """Removes a region's folder; a missing one is fine. Raises: ObjectConflict, ProviderError."""
        address = step.address
        path, above = self._paths.regions.ready_path(address.region), object_names.folder(address)[:-1]
        try:
            with contextlib.suppress(FileNotFoundError), open_folder(path, above) as parent:
                self._delete_in(parent, step)
        except OSError as error:
            raise failure(error, f"to delete {address}", self._paths.folder(address)) from error
        remove_empty_folders(path, above, self._writer)
        return Applied()

    def _delete_in(self, parent: int, step: Step) -> None:
        name = step.address.version
        staging, removed = (object_names.hidden_name(name, what, self._writer) for what in ("staging", "removed"))
        for left in (staging, removed):
            remove_folder(parent, left, self._writer)
        if not exists(parent, name):
            return
        self._ownership.require_free(parent, step.address, recorded=step.recorded)
        rename(parent, name, removed, self._writer)
        os.fsync(parent)
        remove_folder(parent, removed, self._writer)

    def _count(self, address: Address, done: list[int], total: int, more: int) -> None:
        done[0] += more
        self._progress(address, done[0], total)


def _number(name: str) -> int:
    """The replica number in a file's name; 0 if it has none."""
    replica = object_names.replica_of(name)
    return replica[0] if replica else 0
