"""Makes target regions: the first copy of each disk from its source, the others from a complete copy, in all regions at
once. A region that fails drops out and leaves the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError, SourceError, Unsupported
from reconciler.providers.image_files.image_sources import SourceDisk
from reconciler.providers.libvirt.publishing import volume_filling
from reconciler.providers.libvirt.publishing.disk_sources import Disk, MachineDisk, MissingDisk, VolumeDisk
from reconciler.providers.libvirt.publishing.region_build import Site, open_site, restamped
from reconciler.providers.libvirt.publishing.volume_filling import Filled
from reconciler.providers.libvirt.records.descriptions import Copy
from reconciler.providers.protocol import Applied, OwnerMark, ProgressCallback, Results, Step

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.publishing.operation_handle import Names
    from reconciler.providers.libvirt.records.complete_copies import Published
    from reconciler.providers.libvirt.settings import Settings

DiskFacts = dict[str, dict[str, Any]]
"""Disk (`os`, `data-LUN`) -> what is recorded of it."""

_REGIONS_AT_ONCE = 4
Original = tuple["Pool", Copy]
"""A complete copy, and the pool it is in."""


class RegionMaker:
    """Makes regions for one lineage."""

    def __init__(
        self,
        hosts: Hosts,
        settings: Settings,
        published: Published,
        lineage: str,
        progress: ProgressCallback,
        *,
        generalized: bool,
    ) -> None:
        self._hosts = hosts
        self._settings = settings
        self._published = published
        self._lineage = lineage
        self._progress = progress
        self._generalized = generalized

    def make(
        self,
        steps: Sequence[Step],
        disks: Sequence[Disk],
        known: Mapping[str, Any],
        names: Names,
        sizes: Mapping[str, int],
    ) -> tuple[Results, DiskFacts]:
        """Makes the regions of `steps` (CREATE and REPLACE) of `disks`; a result for each, and the disks' facts.

        `known` are the facts of earlier copies: where there are any, the new ones hold the same. `sizes` are the bytes
        that a machine sees of each disk.
        """
        results: dict[Address, Applied | ProviderError] = {}
        sites: list[Site] = []
        for step in steps:
            try:
                sites.append(self._open(step, names, sizes, disks))
            except ProviderError as error:
                results[step.address] = error
        facts: DiskFacts = {}
        originals: dict[str, Original] = {}
        try:
            for disk in disks:
                if disk.disk not in facts:
                    self._first_copies(disk, disks, sites, known, facts, originals)
        except ProviderError as error:
            for site in sites:
                site.error = site.error or error
        with ThreadPoolExecutor(_REGIONS_AT_ONCE, thread_name_prefix="regions") as pool:
            outcomes = list(pool.map(lambda site: self._finish(site, originals, facts), sites))
        results |= {site.address: outcome for site, outcome in zip(sites, outcomes, strict=True)}
        return results, facts

    def _open(self, step: Step, names: Names, sizes: Mapping[str, int], disks: Sequence[Disk]) -> Site:
        mark, planned = OwnerMark(self._lineage, step.address), step.planned or {}
        site = open_site(self._hosts, mark, planned, names[step.address], sizes, self._progress)
        machine = next((f"{disk.region}/{disk.machine}" for disk in disks if isinstance(disk, MachineDisk)), "")
        site.tally.reach(0)
        site.begin(site.before.description.copies if site.before else (), machine)
        return site

    def _first_copies(
        self,
        disk: Disk,
        disks: Sequence[Disk],
        sites: Sequence[Site],
        known: Mapping[str, Any],
        facts: DiskFacts,
        originals: dict[str, Original],
    ) -> None:
        """Finds or makes one complete copy of a disk; of a machine, of all its disks. Raises: SourceError."""
        recorded = known.get(disk.disk, {})
        if recorded and sites:
            found = self._published.copy_of(sites[0].address.unit, disk.disk, sites[0].pool)
            if found is not None:
                originals[disk.disk], facts[disk.disk] = (found.pool, found.copy), dict(recorded)
                return
        if isinstance(disk, VolumeDisk) and disk.published is not None:
            originals[disk.disk] = (disk.pool, disk.published)
            facts[disk.disk] = {**disk.facts, "source": disk.identity}
            return
        for site in self._in_order(disk, sites):
            try:
                filled = self._fill(disk, disks, site)
            except SourceError:
                raise
            except ProviderError as error:
                site.error = error
                continue
            for one, (name, content) in filled.items():
                _require_known(one, content, known)
                copy = content.copy(site.pool, name, one, 1)
                site.copies.append(copy)
                originals[one], facts[one] = (site.pool, copy), dict(content.facts)
            return

    def _in_order(self, disk: Disk, sites: Sequence[Site]) -> list[Site]:
        """The regions that still stand, those on the source's own host first."""
        standing = [site for site in sites if site.error is None]
        if isinstance(disk, SourceDisk | MissingDisk):
            return standing
        source = disk.pool.connection if isinstance(disk, VolumeDisk) else self._hosts.connection(disk.region)
        near = [site for site in standing if site.pool.connection is source]
        if isinstance(disk, MachineDisk):
            if standing and not near:
                regions = self._hosts.regions
                there = ", ".join(one for one in regions if self._hosts.connection(one) is source)
                error = Unsupported(
                    f"the machine '{disk.machine}' is on {source.name}, and no target region of the version is",
                    f"add one of its own to targetRegions ({there}): a machine is captured on its host",
                )
                for site in standing:
                    site.error = error
            return near
        return near + [site for site in standing if site not in near]

    def _fill(self, disk: Disk, disks: Sequence[Disk], site: Site) -> dict[str, tuple[str, Filled]]:
        """disk -> (volume, what is in it): one of most sources, all disks of a machine. Raises: ProviderError."""
        if isinstance(disk, MissingDisk):
            raise SourceError(
                f"{disk.why}, and no region holds a whole copy of disk {disk.disk}",
                "bring the original image back, or publish a new version",
            )
        if isinstance(disk, MachineDisk):
            from reconciler.providers.libvirt.publishing.machine_sources import capture_all

            parts = [one for one in disks if isinstance(one, MachineDisk)]
            return capture_all(self._hosts, parts, site, self._settings.format, generalized=self._generalized)
        name = site.names[disk.disk][0]
        if isinstance(disk, SourceDisk):
            filled = volume_filling.from_file(disk, site.pool, name, self._settings.format, site.meter(name))
        else:
            filled = volume_filling.from_volume(disk, site.pool, name, self._settings.format, site.meter(name))
        return {disk.disk: (name, filled)}

    def _finish(self, site: Site, originals: Mapping[str, Original], facts: DiskFacts) -> Applied | ProviderError:
        if site.error is None:
            try:
                self._replicate(site, originals)
                return site.publish({"disks": facts})
            except ProviderError as error:
                site.error = error
        site.abandon()
        return site.error

    def _replicate(self, site: Site, originals: Mapping[str, Original]) -> None:
        """Makes the volumes of a region that are not there yet. Raises: ProviderError."""
        for disk, names in site.names.items():
            pool, copy = originals[disk]
            for number, name in enumerate(names):
                if any(made.volume == name for made in site.copies):
                    continue
                volume_filling.replicate(pool, copy, site.pool, name, site.meter(name))
                made = restamped(site.pool, replace(copy, volume=name, disk=disk, replica=number + 1))
                site.copies.append(made)
                pool, copy = site.pool, made


def _require_known(disk: str, filled: Filled, known: Mapping[str, Any]) -> None:
    """Raises: SourceError when a version that is published would get another content."""
    recorded = known.get(disk, {}).get("contentSha256")
    if recorded and recorded != filled.content:
        raise other_content(disk)


def other_content(disk: str) -> SourceError:
    return SourceError(
        f"the source of disk {disk} is not what this version was published from, and no region holds a whole copy",
        "bring the original image back, or publish a new version",
    )
