"""Galleries, definitions and versions: objects that are a description and nothing else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.common.ownership import require_mark
from reconciler.providers.errors import ObjectConflict, ProviderError
from reconciler.providers.local import object_names
from reconciler.providers.local.object_paths import Places
from reconciler.providers.local.objects import (
    Description,
    Unreadable,
    failure,
    make_folder,
    open_folder,
    read_description,
    remove_empty_folders,
    write_description,
)
from reconciler.providers.protocol import Applied, OwnerMark, Step, Verb


class Documents:
    """Writes and removes descriptions for one lineage."""

    def __init__(self, places: Places, lineage: str) -> None:
        self._places = places
        self._lineage = lineage

    def apply(self, step: Step, computed: Mapping[str, Any] | None = None) -> Applied:
        """Does a step. `computed` replaces what the description says was worked out; None leaves it.

        Raises: ProviderError, ObjectConflict among them.
        """
        path = self._places.folder(step.address, self._home(step))
        try:
            return self._delete(step) if step.verb is Verb.DELETE else self._write(step, computed)
        except OSError as error:
            raise failure(error, f"to {step.verb} {step.address}", path) from error

    def _home(self, step: Step) -> str:
        attributes = step.planned if step.planned is not None else step.prior
        return str((attributes or {}).get("location", ""))

    def _write(self, step: Step, computed: Mapping[str, Any] | None) -> Applied:
        address, region = step.address, self._home(step)
        planned: Attributes = step.planned or {}
        path, folders = self._places.regions.ready_path(region), object_names.folder(address)
        name = object_names.description_file(address)
        if step.verb is Verb.CREATE:
            self._require_nobody_elsewhere(address, region)
        with make_folder(path, folders) as folder:
            present = self._ours(folder, name, address)
            if present is None and step.verb is Verb.UPDATE:
                raise ProviderError(f"{address} is not there any more", "plan again: it will be made anew")
            worked_out = computed if computed is not None else present.computed if present else {}
            description = Description(OwnerMark(self._lineage, address), planned, worked_out)
            status = write_description(folder, name, description, self._lineage)
        return Applied(
            object_id=object_names.object_id(region, address),
            fingerprint=object_names.fingerprint(region, folders, [(name, object_names.stamp(status))]),
            canonical=canonical_json(planned),
            computed=canonical_json(worked_out),
        )

    def _require_nobody_elsewhere(self, address: Address, home: str) -> None:
        """Raises: ObjectConflict when another region holds a stranger's object of this name."""
        name, folders = object_names.description_file(address), object_names.folder(address)
        for region in self._places.present():
            if region != home and os.path.lexists(self._places.description(address, region)):
                with open_folder(self._places.regions.path(region), folders) as folder:
                    self._ours(folder, name, address)

    def _delete(self, step: Step) -> Applied:
        address, name = step.address, object_names.description_file(step.address)
        path, folders = self._places.regions.ready_path(self._home(step)), object_names.folder(address)
        with contextlib.suppress(FileNotFoundError), open_folder(path, folders) as folder:
            self._discard_unfinished(folder, name)
            if self._ours(folder, name, address) is not None:
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
        remove_empty_folders(path, folders)
        return Applied()

    def tidy(self, address: Address) -> None:
        """Removes a description that never got to its place. Raises: ProviderError."""
        for region in self._places.present():
            path, folders = self._places.regions.path(region), object_names.folder(address)
            try:
                with contextlib.suppress(FileNotFoundError), open_folder(path, folders) as folder:
                    self._discard_unfinished(folder, object_names.description_file(address))
            except OSError as error:
                raise failure(error, f"to tidy {address}", self._places.folder(address, region)) from error
            remove_empty_folders(path, folders)

    def _discard_unfinished(self, folder: int, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(object_names.new_name(name, self._lineage), dir_fd=folder)

    def _ours(self, folder: int, name: str, address: Address) -> Description | None:
        """The description that is there, None when there is none. Raises: ObjectConflict when it is not ours."""
        try:
            description, _ = read_description(name, folder)
        except FileNotFoundError:
            return None
        except Unreadable as error:
            raise ObjectConflict(
                f"{address}: {name} {error}", "look at it, and move it away if nobody needs it"
            ) from error
        require_mark(description.mark, OwnerMark(self._lineage, address))
        return description


def mark_of_broken(places: Places, region: Address) -> OwnerMark | None:
    """Whose the folder of a target region is when its description cannot be read: the owner's of the version it is in,
    if all that is in it has names that we give; else nobody's. Raises: OSError, ObjectConflict."""
    with open_folder(places.regions.path(region.region), object_names.folder(region)) as folder:
        names = os.listdir(folder)
    if not names or not all(object_names.is_ours(name) for name in names):
        return None
    version = region.unit
    for home in places.present():
        try:
            with open_folder(places.regions.path(home), object_names.folder(version)) as folder:
                description, _ = read_description(object_names.description_file(version), folder)
        except (OSError, Unreadable, ObjectConflict):  # not in this region, or no help
            continue
        if description.mark is not None and description.mark.address == version:
            return OwnerMark(description.mark.lineage, region)
    return None
