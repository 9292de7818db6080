"""Target regions: folders with the copies of a version's disks.

A folder is staged beside its place and renamed into it, so that it is there whole or not at all. One operation copies
for all its regions together: each source is read once, and a region that fails drops out and leaves the others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from manifests.address import Address
from manifests.values import Attributes, canonical_json
from providers.disk_formats import DiskFormat
from providers.errors import ObjectConflict, ProviderError, SourceError
from providers.local import layout
from providers.local.copying import Extent, Sink, copy_extent
from providers.local.documents import mark_of_broken, require_mark
from providers.local.objects import (
    Description,
    Unreadable,
    create_file,
    failure,
    make_folder,
    not_followed,
    open_folder,
    read_description,
    remove_empty_folders,
    remove_folder,
    write_description,
)
from providers.local.places import Places
from providers.local.sources import SourceDisk, healthy_replicas
from providers.local.syncing import flush
from providers.protocol import Applied, OwnerMark, ProgressCallback, Results, Step

DiskFacts = dict[str, dict[str, Any]]
"""Disk (`os`, `data-LUN`) -> sha256, size, virtualSize, format of its copies."""


@dataclass(slots=True)
class _Staged:
    """One region in the making: its staging folder (open), the sinks of each disk, the stamps of its files once they
    are written, and the failure if it has one."""

    step: Step
    folder: int
    region_path: str
    sinks: dict[str, list[tuple[str, Sink]]] = field(default_factory=dict)
    stamps: list[tuple[str, str]] = field(default_factory=list)
    error: ProviderError | None = None
    done: int = 0


class Replicas:
    """Makes, changes and removes the folders of target regions for one lineage."""

    def __init__(self, places: Places, lineage: str, progress: ProgressCallback) -> None:
        self._places = places
        self._lineage = lineage
        self._progress = progress

    def make(
        self, steps: Sequence[Step], disks: Sequence[SourceDisk], known: Mapping[str, Any]
    ) -> tuple[Results, DiskFacts]:
        """Fills the regions of `steps` (CREATE and REPLACE) with copies of `disks`; a result for each, and the disks'
        facts. `known` are the facts of earlier copies: where there are any, the new ones must be the same.
        """
        results: dict[Address, Applied | ProviderError] = {}
        staged: list[_Staged] = []
        facts: DiskFacts = {}
        try:
            for step in steps:
                try:
                    staged.append(self._stage(step, disks))
                except ProviderError as error:
                    results[step.address] = error
            try:
                facts = {disk.disk: self._copy(disk, staged, known.get(disk.disk, {})) for disk in disks}
            except ProviderError as error:
                for one in staged:
                    one.error = one.error or error
            results |= self._publish(staged, {"disks": facts})
        finally:
            for one in staged:
                self._clean_up(one)
        return results, facts

    def make_shallow(self, step: Step, disks: Sequence[SourceDisk]) -> Applied:
        """A region without copies: its description names the sources. Raises: ProviderError."""
        facts = {disk.disk: disk_facts(disk, "") for disk in disks}
        shallow = {disk.extent.path: layout.stamp(os.stat(disk.extent.path)) for disk in disks}
        staged = self._stage(step, ())
        try:
            outcome = self._publish([staged], {"disks": facts, "shallow": shallow})[step.address]
        finally:
            self._clean_up(staged)
        if isinstance(outcome, ProviderError):
            raise outcome
        return outcome

    def _stage(self, step: Step, disks: Sequence[SourceDisk]) -> _Staged:
        address = step.address
        path = self._places.regions.ready_path(address.region)
        above = layout.folder(address)[:-1]
        staging = layout.staging_name(address.version, self._lineage)
        try:
            with make_folder(path, above) as parent:
                self._require_free(parent, step)
                self._remove_leftovers(parent, address)
            with make_folder(path, above, child=staging):
                pass
            with open_folder(path, (*above, staging)) as folder:
                staged = _Staged(step, os.dup(folder), path)
        except OSError as error:
            raise failure(error, f"to {step.verb} {address}", self._places.folder(address)) from error
        try:
            for disk in disks:
                staged.sinks[disk.disk] = list(self._open_sinks(staged, disk))
        except OSError as error:
            self._clean_up(staged)
            raise failure(error, f"to {step.verb} {address}", self._places.folder(address)) from error
        return staged

    def _open_sinks(self, staged: _Staged, disk: SourceDisk) -> Iterator[tuple[str, Sink]]:
        for number in range(1, int((staged.step.planned or {})["replicas"]) + 1):
            name = layout.replica_file(number, disk.disk, disk.format.name)
            yield name, Sink(_create(staged.folder, name))

    def _require_free(self, parent: int, step: Step) -> None:
        """Our own object may be made again; anything else in the way is a conflict."""
        if _is_there(parent, step.address.version):
            self._require_ours(parent, step.address)

    def _require_ours(self, parent: int, address: Address) -> None:
        """Raises: ObjectConflict unless the region's folder is ours and so is all that is in it."""
        try:
            folder = os.open(address.version, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except NotADirectoryError as error:
            raise not_followed(self._places.folder(address)) from error
        try:
            description = self._description_of_ours(folder, address)
            strange = [name for name in os.listdir(folder) if not self._is_ours(name, description)]
        finally:
            os.close(folder)
        if strange:
            raise ObjectConflict(
                f"{address} holds what is not ours: {', '.join(sorted(strange))}",
                "move these files away, then apply again",
            )

    def _description_of_ours(self, folder: int, address: Address) -> Description | None:
        """The description of our region in `folder`; None when it is broken and the region is ours all the same."""
        ours = OwnerMark(self._lineage, address)
        try:
            description, _ = read_description(layout.REGION_FILE, folder)
        except (FileNotFoundError, Unreadable) as error:
            if mark_of_broken(self._places, address) == ours:
                return None
            raise ObjectConflict(
                f"{address}: it cannot be told whose this is: {layout.REGION_FILE} is missing or damaged",
                "look at the folder, and move it away if nobody needs it",
            ) from error
        require_mark(description.mark, ours)
        return description

    def _remove_leftovers(self, parent: int, address: Address) -> None:
        """What an interrupted run of this lineage left of this region."""
        remove_folder(parent, layout.staging_name(address.version, self._lineage))
        remove_folder(parent, layout.removed_name(address.version, self._lineage))

    def _copy(self, disk: SourceDisk, staged: Sequence[_Staged], known: Mapping[str, Any]) -> dict[str, Any]:
        """Copies one disk to all regions that still stand. Raises: SourceError when no source will do."""
        problem: ProviderError | None = None
        expected = known.get("sha256") or disk.sha256
        for extent, form in self._candidates(disk, staged, known):
            targets = [one for one in staged if one.error is None]
            sinks = [sink for one in targets for _, sink in one.sinks[disk.disk]]
            try:
                sha256 = copy_extent(extent, sinks, partial(self._advance, targets))
            except SourceError as error:
                problem = problem or error
            else:
                _note_failures(targets, disk.disk)
                if expected in ("", sha256):
                    return {"sha256": sha256, **_sizes(extent.size, form)}
                problem = problem or _other_content(disk, known)
            for sink in sinks:
                with contextlib.suppress(OSError):  # a sink that failed is not written again
                    os.ftruncate(sink.fd, 0)
        raise problem or SourceError(
            f"{disk.extent.label}, and no region holds a whole copy of disk {disk.disk}",
            "bring the original image back, or publish a new version",
        )

    def _candidates(
        self, disk: SourceDisk, staged: Sequence[_Staged], known: Mapping[str, Any]
    ) -> Iterator[tuple[Extent, DiskFormat]]:
        """The source, and once something is published its copies in other regions."""
        if disk.extent.path:
            yield disk.extent, disk.format
        if known and staged:
            version = staged[0].step.address.unit
            for region in self._places.present():
                yield from healthy_replicas(self._places, version._replace(region=region), disk.disk)

    def _advance(self, targets: Sequence[_Staged], more: int) -> None:
        for one in targets:
            one.done += more
            total = sum(os.fstat(sinks[0][1].fd).st_size for sinks in one.sinks.values() if sinks)
            self._progress(one.step.address, one.done, max(total, one.done))

    def _count(self, address: Address, done: list[int], total: int, more: int) -> None:
        done[0] += more
        self._progress(address, done[0], total)

    def _publish(self, staged: Sequence[_Staged], computed: Mapping[str, Any]) -> Results:
        """Makes the staged folders durable and gives them their names, with two flushes for all of them."""
        for one in staged:
            with self._told(one):
                self._describe(one, computed)
        self._flush(staged)
        for one in staged:
            with self._told(one):
                self._rename_into_place(one)
        self._flush(staged)
        for one in staged:
            with self._told(one):
                self._remove_predecessor(one)
        return {one.step.address: one.error or self._outcome(one, computed) for one in staged}

    @contextlib.contextmanager
    def _told(self, staged: _Staged) -> Iterator[None]:
        """Notes what goes wrong with one region; one that has failed before is let be by whoever works in here."""
        try:
            yield
        except ProviderError as error:
            staged.error = staged.error or error
        except OSError as error:
            doing = f"to {staged.step.verb} {staged.step.address}"
            staged.error = staged.error or failure(error, doing, staged.region_path)

    def _describe(self, staged: _Staged, computed: Mapping[str, Any]) -> None:
        """Writes the description and notes the stamps of all files."""
        if staged.error is not None:
            return
        files = {name: disk for disk, sinks in staged.sinks.items() for name, _ in sinks}
        description = Description(self._mark(staged), staged.step.planned or {}, computed, files)
        status = create_file(staged.folder, layout.REGION_FILE, description.encode())
        copies = (pair for sinks in staged.sinks.values() for pair in sinks)
        staged.stamps = [(layout.REGION_FILE, layout.stamp(status))]
        staged.stamps += [(name, layout.stamp(os.fstat(sink.fd))) for name, sink in copies]
        staged.stamps += computed.get("shallow", {}).items()

    def _flush(self, staged: Sequence[_Staged]) -> None:
        """One flush for each file system that regions are on."""
        outcomes: dict[int, OSError | None] = {}
        for one in staged:
            if one.error is not None:
                continue
            device = os.fstat(one.folder).st_dev
            if device not in outcomes:
                outcomes[device] = _flush_error(one.folder)
            if error := outcomes[device]:
                one.error = failure(error, f"to {one.step.verb} {one.step.address}", one.region_path)

    def _rename_into_place(self, staged: _Staged) -> None:
        if staged.error is not None:
            return
        address = staged.step.address
        name, removed = address.version, layout.removed_name(address.version, self._lineage)
        staging = layout.staging_name(name, self._lineage)
        with open_folder(staged.region_path, layout.folder(address)[:-1]) as parent:
            self._require_free(parent, staged.step)  # a long copy lies between the first look and this moment
            with contextlib.suppress(FileNotFoundError):
                os.rename(name, removed, src_dir_fd=parent, dst_dir_fd=parent)
            os.rename(staging, name, src_dir_fd=parent, dst_dir_fd=parent)

    def _remove_predecessor(self, staged: _Staged) -> None:
        """What the new folder replaces goes once the new one is there for good."""
        if staged.error is None:
            address = staged.step.address
            with open_folder(staged.region_path, layout.folder(address)[:-1]) as parent:
                remove_folder(parent, layout.removed_name(address.version, self._lineage))

    def _outcome(self, staged: _Staged, computed: Mapping[str, Any]) -> Applied:
        return _applied(staged.step.address, staged.step.planned or {}, computed, staged.stamps)

    def _mark(self, staged: _Staged) -> OwnerMark:
        return OwnerMark(self._lineage, staged.step.address)

    def _clean_up(self, staged: _Staged) -> None:
        """Closes what is open, and removes the staging folder if it did not become the region."""
        for sinks in staged.sinks.values():
            for _, sink in sinks:
                os.close(sink.fd)
        os.close(staged.folder)
        address = staged.step.address
        above = layout.folder(address)[:-1]
        with contextlib.suppress(OSError), open_folder(staged.region_path, above) as parent:
            remove_folder(parent, layout.staging_name(address.version, self._lineage))
        remove_empty_folders(staged.region_path, above)

    def update(self, step: Step) -> Applied:
        """Changes a region's attributes and number of replicas. Raises: ProviderError."""
        address = step.address
        path, folders = self._places.regions.path(address.region), layout.folder(address)
        try:
            with open_folder(path, folders) as folder:
                return self._update_in(folder, step)
        except FileNotFoundError as error:
            raise ProviderError(f"{address} is not there any more", "plan again: it will be made anew") from error
        except OSError as error:
            raise failure(error, f"to update {address}", self._places.folder(address)) from error

    def _update_in(self, folder: int, step: Step) -> Applied:
        address, planned = step.address, step.planned or {}
        try:
            description, _ = read_description(layout.REGION_FILE, folder)
        except Unreadable as error:
            raise ObjectConflict(f"{address}: {layout.REGION_FILE} {error}", "plan again") from error
        require_mark(description.mark, OwnerMark(self._lineage, address))
        wanted = int(planned["replicas"])
        kept = {name: disk for name, disk in description.files.items() if _number(name) <= wanted}
        surplus = sorted(description.files.keys() - kept.keys())
        facts = description.computed["disks"]
        added = {} if description.computed.get("shallow") else self._add_replicas(folder, address, kept, facts, wanted)
        files = {**kept, **added}
        changed = Description(description.mark, planned, description.computed, files)
        status = write_description(folder, layout.REGION_FILE, changed, self._lineage)
        for name in surplus:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        os.fsync(folder)
        stamps = [(layout.REGION_FILE, layout.stamp(status))]
        stamps += [(name, layout.stamp(os.stat(name, dir_fd=folder, follow_symlinks=False))) for name in sorted(files)]
        stamps += description.computed.get("shallow", {}).items()
        return _applied(address, planned, description.computed, stamps)

    def _add_replicas(
        self, folder: int, address: Address, kept: Mapping[str, str], facts: Mapping[str, Any], wanted: int
    ) -> dict[str, str]:
        """Copies the first replica of each disk as often as is missing; the new files by disk."""
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
        size = int(facts["size"])
        extent = Extent(
            f"{self._places.folder(address)}/{first}", 0, size, f"the copy '{address}' ({first})", followed=False
        )
        hidden = [layout.new_name(name, self._lineage) for name in names]
        sinks: list[Sink] = []
        try:
            for name in hidden:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
                sinks.append(Sink(_create(folder, name)))
            sha256 = copy_extent(extent, sinks, partial(self._count, address, [0], size))
            if sha256 != facts["sha256"]:
                raise SourceError(
                    f"the copy '{address}' ({first}) is damaged", "plan again: the region will be repaired"
                )
            for sink in sinks:
                if sink.error is not None:
                    raise sink.error
                os.fsync(sink.fd)
            for name, final in zip(hidden, names, strict=True):
                os.rename(name, final, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            for sink in sinks:
                os.close(sink.fd)
            for name in hidden:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder)

    def delete(self, step: Step) -> Applied:
        """Removes a region's folder; one that is gone is fine. Raises: ObjectConflict, ProviderError."""
        address = step.address
        path, above = self._places.regions.ready_path(address.region), layout.folder(address)[:-1]
        try:
            with contextlib.suppress(FileNotFoundError), open_folder(path, above) as parent:
                self._delete_in(parent, address)
        except OSError as error:
            raise failure(error, f"to delete {address}", self._places.folder(address)) from error
        remove_empty_folders(path, above)
        return Applied()

    def _delete_in(self, parent: int, address: Address) -> None:
        name, removed = address.version, layout.removed_name(address.version, self._lineage)
        self._remove_leftovers(parent, address)
        if not _is_there(parent, name):
            return
        self._require_ours(parent, address)
        os.rename(name, removed, src_dir_fd=parent, dst_dir_fd=parent)
        os.fsync(parent)
        remove_folder(parent, removed)

    def _is_ours(self, name: str, description: Description | None) -> bool:
        unfinished = layout.unfinished(name)
        if unfinished is not None and unfinished[1] != layout.short_lineage(self._lineage):
            return False
        return layout.is_ours(name) or (description is not None and name in description.files)

    def tidy(self, address: Address) -> None:
        """Removes what interrupted runs left beside a region's folder and in it. Raises: ProviderError."""
        path, folders = self._places.regions.path(address.region), layout.folder(address)
        try:
            with contextlib.suppress(FileNotFoundError), open_folder(path, folders[:-1]) as parent:
                self._remove_leftovers(parent, address)
            with contextlib.suppress(FileNotFoundError), open_folder(path, folders) as folder:
                self._tidy_in(folder, address)
        except OSError as error:
            raise failure(error, f"to tidy {address}", self._places.folder(address)) from error
        remove_empty_folders(path, folders[:-1])

    def _tidy_in(self, folder: int, address: Address) -> None:
        try:
            description, _ = read_description(layout.REGION_FILE, folder)
        except (FileNotFoundError, Unreadable):
            return
        if description.mark != OwnerMark(self._lineage, address):
            return
        for name in os.listdir(folder):
            if name not in description.files and name != layout.REGION_FILE and self._is_ours(name, description):
                os.unlink(name, dir_fd=folder)
        os.fsync(folder)


def disk_facts(disk: SourceDisk, sha256: str) -> dict[str, Any]:
    """What is recorded of a disk; the digest is left out when nothing was read."""
    return {**({"sha256": sha256} if sha256 else {}), **_sizes(disk.extent.size, disk.format)}


def _sizes(size: int, form: DiskFormat) -> dict[str, Any]:
    return {"size": size, "virtualSize": form.virtual_size, "format": form.name}


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _flush_error(fd: int) -> OSError | None:
    try:
        flush(fd)
    except OSError as error:
        return error
    return None


def _create(folder: int, name: str) -> int:
    """A new file that nobody can write to once it is closed."""
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444, dir_fd=folder)


def _number(name: str) -> int:
    found = layout.replica_of(name)
    return found[0] if found else 0


def _note_failures(targets: Sequence[_Staged], disk: str) -> None:
    for one in targets:
        errors = [sink.error for _, sink in one.sinks[disk] if sink.error is not None]
        if errors:
            one.error = failure(errors[0], f"to {one.step.verb} {one.step.address}", one.region_path)


def _other_content(disk: SourceDisk, known: Mapping[str, Any]) -> SourceError:
    if not known:
        return SourceError(f"{disk.extent.label} is damaged", "plan and apply again: it is repaired from another copy")
    return SourceError(
        f"{disk.extent.label} is not what this version was published from, and no region holds a whole copy",
        "bring the original image back, or publish a new version",
    )


def _applied(
    address: Address, planned: Attributes, computed: Mapping[str, Any], stamps: Sequence[tuple[str, str]]
) -> Applied:
    return Applied(
        object_id=layout.object_id(address.region, address),
        fingerprint=layout.fingerprint(address.region, layout.folder(address), stamps),
        canonical=canonical_json(planned),
        computed=canonical_json(computed),
    )
