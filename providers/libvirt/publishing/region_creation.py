"""Creates target regions: the first copy of each disk from its source, the others from a complete copy, in all regions
at once. A region that fails drops out; the others continue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.providers.bound_sources import BoundSource, bound_to_plain
from reconciler.providers.content_digest import GUEST, ContentDigest
from reconciler.providers.errors import ProviderError, SourceError, Unsupported
from reconciler.providers.image_files.source_disks import SourceDisk, require_planned
from reconciler.providers.libvirt.publishing import volume_filling
from reconciler.providers.libvirt.publishing.disks import Disk, MachineDisk, MissingDisk, VolumeDisk
from reconciler.providers.libvirt.publishing.publication import Publication
from reconciler.providers.libvirt.publishing.region_build import RegionBuild, open_build, restamped
from reconciler.providers.libvirt.publishing.volume_filling import FilledVolume
from reconciler.providers.libvirt.records.descriptions import Copy
from reconciler.providers.libvirt.records.lost_descriptions import NOTHING_RECORDED, Recorded
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, ProgressCallback, Results, Step

if TYPE_CHECKING:
    from reconciler.providers.libvirt.configuration import Configuration
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.publishing.operation_handle import Names
    from reconciler.providers.libvirt.records.complete_copies import CompleteCopies

DiskFacts = dict[str, dict[str, Any]]
"""Disk (`os`, `data-LUN`) -> what to record for it."""

_REGIONS_AT_ONCE = 4
Original = tuple["Pool", Copy]
"""A complete copy, after the pool that it is in."""


class RegionCreation:
    """Creates regions for one writer."""

    def __init__(
        self,
        hosts: Hosts,
        settings: Configuration,
        copies: CompleteCopies,
        writer: Writer,
        progress: ProgressCallback,
        publication: Publication,
        *,
        generalized: bool,
        recorded: Recorded = NOTHING_RECORDED,
    ) -> None:
        self._hosts = hosts
        self._settings = settings
        self._copies = copies
        self._writer = writer
        self._progress = progress
        self._publication = publication
        self._generalized = generalized
        self._recorded = recorded

    def create(
        self,
        steps: Sequence[Step],
        disks: Sequence[Disk],
        known: Mapping[str, Any],
        names: Names,
        sizes: Mapping[str, int],
        bound: Sequence[BoundSource] = (),
    ) -> tuple[Results, DiskFacts]:
        """Creates the regions of `steps` (CREATE and REPLACE) from `disks`; a result for each, and the facts of the
        disks. If there are facts of earlier copies (`known`), the new copies must match them. `sizes` are the bytes
        that a guest sees of each disk, `bound` the contents that were planned.
        """
        results: dict[Address, Applied | ProviderError] = {}
        builds: list[RegionBuild] = []
        for step in steps:
            try:
                builds.append(self._open(step, names, sizes, disks))
            except ProviderError as error:
                results[step.address] = error
        if results and self._publication.together:
            return {**results, **self._publication.of_all(builds, results)}, {}
        facts: DiskFacts = {}
        originals: dict[str, Original] = {}
        for build in builds:
            if build.done:
                _take_over(build, facts, originals)
        plain = bound_to_plain(bound) or any(
            ContentDigest.in_facts(of_disk, GUEST).is_plain for of_disk in known.values()
        )
        try:
            for disk in disks:
                if disk.disk not in facts:
                    self._first_copies(disk, disks, builds, known, facts, originals, plain=plain)
            require_planned(bound, disks, facts)
        except ProviderError as error:
            for build in builds:
                build.error = build.error or error
        return {**results, **self._finish_all(builds, results, originals, facts)}, facts

    def _finish_all(
        self,
        builds: Sequence[RegionBuild],
        failed: Results,
        originals: Mapping[str, Original],
        facts: DiskFacts,
    ) -> Results:
        with ThreadPoolExecutor(_REGIONS_AT_ONCE, thread_name_prefix="regions") as pool:
            if self._publication.together:
                list(pool.map(lambda build: self._complete(build, originals, facts), builds))
                return self._publication.of_all(builds, failed)
            finished = list(pool.map(lambda build: self._finish(build, originals, facts), builds))
        return {build.address: result for build, result in zip(builds, finished, strict=True)}

    def _open(self, step: Step, names: Names, sizes: Mapping[str, int], disks: Sequence[Disk]) -> RegionBuild:
        planned = step.planned or {}
        chosen, recorded = names[step.address], self._recorded
        build = open_build(self._hosts, self._writer, step.address, planned, chosen, sizes, self._progress, recorded)
        machine = next((f"{disk.region}/{disk.machine}" for disk in disks if isinstance(disk, MachineDisk)), "")
        build.progress.report(0)
        if not build.done:
            build.start(build.previous_copies, machine)
        return build

    def _first_copies(
        self,
        disk: Disk,
        disks: Sequence[Disk],
        builds: Sequence[RegionBuild],
        known: Mapping[str, Any],
        facts: DiskFacts,
        originals: dict[str, Original],
        *,
        plain: bool,
    ) -> None:
        """Finds or creates one complete copy of a disk; for a machine, of all its disks. `plain`: read with its sha256.

        Raises: SourceError.
        """
        recorded = known.get(disk.disk, {})
        if recorded and builds:
            complete = self._copies.find(builds[0].address.unit, disk.disk, builds[0].pool)
            if complete is not None:
                originals[disk.disk], facts[disk.disk] = (complete.pool, complete.copy), dict(recorded)
                return
        if isinstance(disk, VolumeDisk) and disk.published is not None:
            originals[disk.disk] = (disk.pool, disk.published)
            facts[disk.disk] = {**disk.facts, "source": disk.identity}
            return
        for build in self._in_order(disk, builds):
            try:
                filled = self._fill(disk, disks, build, plain=plain)
            except SourceError:
                raise
            except ProviderError as error:
                build.error = error
                continue
            for filled_disk, (name, volume) in filled.items():
                _require_known(filled_disk, volume, known)
                copy = volume.copy(build.pool, name, filled_disk, 1)
                build.copies.append(copy)
                originals[filled_disk], facts[filled_disk] = (build.pool, copy), dict(volume.facts)
            return

    def _in_order(self, disk: Disk, builds: Sequence[RegionBuild]) -> list[RegionBuild]:
        """The regions that have not failed, those on the source's own host first; for a machine only those."""
        remaining = [build for build in builds if build.error is None]
        if isinstance(disk, SourceDisk | MissingDisk):
            return remaining
        source = disk.pool.connection if isinstance(disk, VolumeDisk) else self._hosts.connection(disk.region)
        near = [build for build in remaining if build.pool.connection is source]
        if isinstance(disk, MachineDisk):
            if remaining and not near:
                regions = [region for region in self._hosts.regions if self._hosts.connection(region) is source]
                error = Unsupported(
                    f"the machine '{disk.machine}' is on {source.name}, and no target region of the version is",
                    f"add a region of that host to targetRegions ({', '.join(regions)}): machines are captured on "
                    "their own host",
                )
                for build in remaining:
                    build.error = error
            return near
        return near + [build for build in remaining if build not in near]

    def _fill(
        self, disk: Disk, disks: Sequence[Disk], build: RegionBuild, *, plain: bool
    ) -> dict[str, tuple[str, FilledVolume]]:
        """disk -> (name of its volume, what that contains): all disks of a machine, one disk of other sources.

        Raises: ProviderError.
        """
        if isinstance(disk, MissingDisk):
            raise SourceError(
                f"{disk.why}, and no region has a complete copy of disk {disk.disk}",
                "restore the original image, or publish a new version",
            )
        if isinstance(disk, MachineDisk):
            from reconciler.providers.libvirt.publishing.machine_sources import capture_all

            machine_disks = [other for other in disks if isinstance(other, MachineDisk)]
            form, generalized = self._settings.format, self._generalized
            return capture_all(self._hosts, machine_disks, build, form, generalized=generalized, plain=plain)
        name = build.names[disk.disk][0]
        place = build.pool, name, self._settings.format, build.volume_progress(name)
        if isinstance(disk, SourceDisk):
            filled = volume_filling.from_file(disk, *place, plain=plain or disk.pinned)
        else:
            filled = volume_filling.from_volume(disk, *place, plain=plain)
        return {disk.disk: (name, filled)}

    def _finish(
        self, build: RegionBuild, originals: Mapping[str, Original], facts: DiskFacts
    ) -> Applied | ProviderError:
        self._complete(build, originals, facts)
        return self._publication.of_one(build)

    def _complete(self, build: RegionBuild, originals: Mapping[str, Original], facts: DiskFacts) -> None:
        """Creates what is missing of a region, or notes its error."""
        if build.error is None and not build.done:
            try:
                self._replicate(build, originals)
                build.computed = {"disks": facts}
            except ProviderError as error:
                build.error = error

    def _replicate(self, build: RegionBuild, originals: Mapping[str, Original]) -> None:
        """Creates the missing volumes of a region. Raises: ProviderError."""
        for disk, names in build.names.items():
            pool, copy = originals[disk]
            for number, name in enumerate(names):
                if any(present.volume == name for present in build.copies):
                    continue
                volume_filling.replicate(pool, copy, build.pool, name, build.volume_progress(name))
                copied = restamped(build.pool, replace(copy, volume=name, disk=disk, replica=number + 1))
                build.copies.append(copied)
                pool, copy = build.pool, copied


def _take_over(build: RegionBuild, facts: DiskFacts, originals: dict[str, Original]) -> None:
    """Makes a region that is done the one that the others are copied from."""
    for copy in build.copies:
        originals.setdefault(copy.disk, (build.pool, copy))
        facts.setdefault(copy.disk, dict(build.computed["disks"][copy.disk]))


def _require_known(disk: str, filled: FilledVolume, known: Mapping[str, Any]) -> None:
    """Raises: SourceError if the content of a published version would change."""
    recorded = ContentDigest.in_facts(known.get(disk, {}), GUEST)
    if recorded.known and not filled.content.agrees(recorded):
        raise _other_content(disk)


def _other_content(disk: str) -> SourceError:
    return SourceError(
        f"the source of disk {disk} is not what this version was published from, and no region has a complete copy",
        "restore the original image, or publish a new version",
    )
