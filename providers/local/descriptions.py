"""Finds, writes and removes the descriptions of galleries, definitions and versions, in whichever region they live."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from manifests.address import Address
from manifests.values import Attributes, canonical_json
from providers.errors import ObjectConflict, ProviderError
from providers.local import layout, objects
from providers.local.objects import Description, Unreadable
from providers.local.settings import Regions
from providers.local.syncing import Flusher
from providers.protocol import Applied, OwnerMark, Step, Verb


@dataclass(frozen=True, slots=True)
class Found:
    """A description that is there; `description` is None when it is unreadable, and `fault` says why."""

    region: str
    status: os.stat_result | None
    description: Description | None
    fault: str = ""


def find(regions: Regions, address: Address) -> list[Found]:
    """The descriptions of a gallery, definition or version, one at most for each region.

    Raises: ObjectConflict when a symbolic link is in the way; OSError.
    """
    parts, name = layout.folder(address), layout.description_file(address)
    found = []
    for region in regions.present():
        path = regions.path(region)
        if not os.path.lexists("/".join((path, *parts, name))):
            continue
        with objects.open_folder(path, parts) as folder:
            try:
                description, status = objects.read_description(name, folder)
                found.append(Found(region, status, description))
            except Unreadable as error:
                found.append(Found(region, None, None, f"{name} {error}"))
    return found


def inherited_mark(regions: Regions, address: Address) -> OwnerMark | None:
    """Whose an object with an unreadable description is: the owner's of what contains it, as far as that can be read.
    A gallery has no container; then it is nobody's."""
    above = address.parent
    while above is not None:
        for found in find(regions, above):
            if found.description and found.description.mark and found.description.mark.address == above:
                return OwnerMark(found.description.mark.lineage, address)
        above = above.parent
    return None


def check_ours(regions: Regions, found: Found, address: Address, lineage: str) -> None:
    """Raises: ObjectConflict when a description that was found is not that of our object."""
    if found.description is None:
        mark = inherited_mark(regions, address)
    else:
        mark = found.description.mark
    if mark != OwnerMark(lineage, address):
        raise conflict(layout.object_id(found.region, address), mark)


def conflict(object_id: str, mark: OwnerMark | None) -> ObjectConflict:
    whose = f"belongs to {mark.address} of another state" if mark else "was not made by this program"
    return ObjectConflict(f"'{object_id}' is in the way: it {whose}", "rename the resource, or move that object away")


@dataclass(slots=True)
class Pending:
    """A description written under a hidden name; `publish` puts it into its place once it is durable."""

    path: str
    parts: tuple[str, ...]
    name: str
    hidden: str
    device: int

    def publish(self) -> os.stat_result:
        with objects.open_folder(self.path, self.parts) as folder:
            os.rename(self.hidden, self.name, src_dir_fd=folder, dst_dir_fd=folder)
            return os.stat(self.name, dir_fd=folder, follow_symlinks=False)


class Descriptions:
    """Writes and removes descriptions durably."""

    def __init__(self, regions: Regions, flusher: Flusher) -> None:
        self._regions = regions
        self._flusher = flusher

    def apply(self, step: Step, lineage: str) -> Applied:
        """Does the step of a gallery or a definition. Raises: ProviderError."""
        address = step.address
        with told(f"changing {address}", self._regions):
            if step.verb is Verb.DELETE:
                self.remove(address, lineage)
                return Applied()
            planned = step.planned or {}
            self.check_place(address, lineage)
            pending = self.stage(address, planned, {}, lineage)
            return self.commit(pending, address, planned, {})

    def check_place(self, address: Address, lineage: str) -> None:
        """Raises: ObjectConflict when a stranger's object of that name exists in any region."""
        for found in find(self._regions, address):
            check_ours(self._regions, found, address, lineage)

    def stage(self, address: Address, planned: Attributes, computed: Mapping[str, Any], lineage: str) -> Pending:
        """Writes the description aside in the object's home region."""
        path = self._regions.ready_path(str(planned["location"]))
        parts, name = layout.folder(address), layout.description_file(address)
        with objects.make_folder(path, parts) as folder:
            device = self._flusher.watch(folder)
            description = Description(OwnerMark(lineage, address), planned, computed)
            hidden = objects.write_aside(folder, name, description, lineage)
        return Pending(path, parts, name, hidden, device)

    def commit(
        self, pending: Pending, address: Address, planned: Attributes, computed: Mapping[str, Any]
    ) -> Applied:
        """Makes a staged description durable and puts it into place; ours in another region is removed afterwards."""
        self.flush(pending.device)
        status = pending.publish()
        self.flush(pending.device)
        self.remove_elsewhere(address, str(planned["location"]))
        return self.applied(address, planned, computed, status)

    def applied(
        self, address: Address, planned: Attributes, computed: Mapping[str, Any], status: os.stat_result
    ) -> Applied:
        """The result for a description that is in place."""
        region, name = str(planned["location"]), layout.description_file(address)
        print_ = layout.fingerprint(region, layout.folder(address), [(name, layout.stamp(status))])
        return Applied(layout.object_id(region, address), print_, canonical_json(planned), canonical_json(computed))

    def flush(self, *devices: int) -> None:
        """Raises: ProviderError when a file system could not write."""
        for error in self._flusher.flush(devices).values():
            raise error

    def remove(self, address: Address, lineage: str) -> None:
        """Removes the description, and the directories it leaves empty; what is gone already is fine."""
        found = find(self._regions, address)
        for one in found:
            check_ours(self._regions, one, address, lineage)
        for one in found:
            self._unlink(one.region, address)

    def remove_elsewhere(self, address: Address, home: str) -> None:
        """Removes our description from every region but `home`: the one there replaces it."""
        parts, name = layout.folder(address), layout.description_file(address)
        for region in self._regions.present():
            if region != home and os.path.lexists("/".join((self._regions.path(region), *parts, name))):
                self._unlink(region, address)

    def _unlink(self, region: str, address: Address) -> None:
        path, parts = self._regions.path(region), layout.folder(address)
        with objects.open_folder(path, parts) as folder:
            device = self._flusher.watch(folder)
            os.unlink(layout.description_file(address), dir_fd=folder)
        objects.remove_empty_folders(path, parts)
        self.flush(device)


@contextlib.contextmanager
def told(doing: str, regions: Regions, path: str = "") -> Iterator[None]:
    """Turns an OSError into a ProviderError that says what was being done and where."""
    try:
        yield
    except OSError as error:
        place = path or regions.root or ", ".join(regions.paths.values())
        raise objects.failure(error, doing, place) from error
    except ProviderError:
        raise
