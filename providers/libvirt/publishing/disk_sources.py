"""The sources of a version's disks: files of the project, volumes and machines of the hosts, other versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.trust import Trust
from reconciler.manifests.values import Attributes, source_style
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import SourceError, Unavailable, Unsupported
from reconciler.providers.image_files.image_sources import FileSources, is_file
from reconciler.providers.image_files.source_disks import OS_DISK, Progress, disk_name
from reconciler.providers.libvirt.host.commands import virsh
from reconciler.providers.libvirt.publishing.disks import (
    Disk,
    FoundDisk,
    MachineDisk,
    VolumeDisk,
    format_of,
    size_of,
    virtual_size,
)
from reconciler.providers.libvirt.records.descriptions import stamp
from reconciler.providers.protocol import SourceFacts

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.pools import Pool
    from reconciler.providers.libvirt.host.volumes import Volume
    from reconciler.providers.libvirt.records.complete_copies import CompleteCopies

STYLES = frozenset({"file", "url", "disk", "snapshot", "version", "vm"})
_SNAPSHOT = re.compile(r"(.+)@([^@/]+)")


class DiskSources:
    """Finds sources in the project's folder, on the hosts and among the published versions."""

    def __init__(
        self, hosts: Hosts, copies: CompleteCopies, project: str, trust: Trust, *, remove_source: bool = False
    ) -> None:
        self._hosts = hosts
        self._copies = copies
        self._files = FileSources(project, trust)
        self._remove_source = remove_source

    def identity(self, source: Mapping[str, Any]) -> str:
        """As `Reader.source_identity`; a version's never changes, because published content does not."""
        if is_file(source):
            return self._files.identity(source)
        if "vm" in source:
            from reconciler.providers.libvirt.capture import capture

            return next((capture.identity(self._hosts, *place) for place in self._machines(str(source["vm"]))), "")
        if "disk" in source or "snapshot" in source:
            return next((disk.identity for disk in self._volumes(source, None)), "")
        return str(source.get("version", ""))

    def facts(self, source: Mapping[str, Any], definition: Attributes | None = None) -> SourceFacts:
        """As `Reader.source_facts`; the sizes cover all disks of an archive or a machine."""
        if is_file(source):
            return self._files.facts(source)
        disks = self.of(source, None, generalized=definition is not None and is_generalized(definition))
        if definition is not None:
            self._require_firmware(disks, definition)
        return SourceFacts(
            size=sum(size_of(disk) for disk in disks),
            virtual_size=sum(virtual_size(disk) for disk in disks),
            format=format_of(disks[0]),
            identity=disks[0].identity,
            removes=self.removes(disks) if definition is not None and is_generalized(definition) else (),
        )

    def removes(self, disks: Sequence[Disk]) -> tuple[str, ...]:
        """The machine that is removed once a generalized version has been made from its disks, if the settings say so:
        see `SourceFacts.removes`."""
        captured = [disk for disk in disks if isinstance(disk, MachineDisk)]
        if not captured or not self._remove_source:
            return ()
        first, count = captured[0], len(captured)
        host = self._hosts.connection(first.region).name
        return (f"machine {first.machine} on {host} with {count} volume{'' if count == 1 else 's'}",)

    def digest(
        self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None, *, plain: bool = False
    ) -> ContentDigest:
        """As `Reader.source_digest`: for files and volumes that of the file. Machines have none."""
        if is_file(source):
            return self._files.digest(source, progress, plain=plain)
        (first, *_) = self.of(source, None)
        if isinstance(first, VolumeDisk) and not first.snapshot:
            published = ContentDigest.in_facts(first.facts)
            return published if published.known else _digest_of_volume(first, progress, plain=plain)
        raise Unsupported(
            "the content of a machine or a snapshot has no fixed digest",
            "publish a new version to take its present content",
        )

    def of_version(
        self, version: Attributes, *, generalized: bool, unpack: bool = True, progress: Progress | None = None
    ) -> list[FoundDisk]:
        """Every disk of a version, the OS disk first; `unpack` and `progress` are for files, see `FileSources.disks`.

        Raises: SourceError, Unsupported, Unavailable; ProviderError for downloads.
        """

        def of(source: Mapping[str, Any], lun: str | None) -> list[FoundDisk]:
            if is_file(source):
                return list(self._files.disks(source, lun, progress, unpack=unpack))
            return self.of(source, lun, generalized=generalized and lun is None)

        disks = of(version["source"], None)
        for lun, disk in sorted(version.get("dataDisks", {}).items(), key=lambda pair: int(pair[0])):
            if "source" in disk:
                disks += of(disk["source"], lun)
        names = [disk.disk for disk in disks]
        if len(set(names)) < len(names):
            raise SourceError(
                f"the source '{source_style(version['source'])[1]}' has data disks at LUNs that dataDisks also "
                "declares",
                "remove dataDisks, or give them LUNs after those of the source",
            )
        return disks

    def of(self, source: Mapping[str, Any], lun: str | None, *, generalized: bool = False) -> list[FoundDisk]:
        """The disks of one source that is no file: several only for a machine or version that is the source of the OS
        disk.

        Raises: SourceError, Unsupported, Unavailable.
        """
        if "version" in source:
            return list(self._of_published(Address.parse(str(source["version"])), lun))
        if "disk" in source or "snapshot" in source:
            return [self._volume(source, lun)]
        if "vm" in source:
            return list(self._of_machine(str(source["vm"]), generalized))
        raise Unsupported(
            f"the libvirt provider cannot read a source '{source_style(source)[0]}'",
            f"it reads: {', '.join(sorted(STYLES))}",
        )

    def _of_published(self, version: Address, lun: str | None) -> Iterator[VolumeDisk]:
        """One copy of each disk of another version: all of them for the OS disk, only its OS disk for a data disk."""
        disks = self._copies.disks(version)
        if not disks:
            raise SourceError(f"no region has a complete copy of {version}", "publish that version first, or repair it")
        for disk in sorted(disks, key=lambda name: name != OS_DISK):
            complete = self._copies.find(version, disk)
            if complete is None:
                raise SourceError(
                    f"no region has a complete copy of disk {disk} of {version}", "repair that version first"
                )
            source = VolumeDisk(
                disk, complete.pool, complete.volume, str(version), complete.facts, published=complete.copy
            )
            if lun is None:
                yield source
            elif disk == OS_DISK:
                yield replace(source, disk=disk_name(lun))

    def _of_machine(self, name: str, generalized: bool) -> Iterator[MachineDisk]:
        from reconciler.providers.libvirt.capture import capture

        places = list(self._machines(name))
        if not places:
            raise SourceError(f"no host has a machine '{name}'", "list them on each host: virsh list --all")
        if len(places) > 1:
            regions = ", ".join(region for region, _ in places)
            raise SourceError(f"several hosts have a machine '{name}'", f"write REGION/NAME; regions: {regions}")
        region, machine = places[0]
        for disk in capture.facts(self._hosts, region, machine, generalized):
            yield MachineDisk(
                disk.disk, region, machine, disk.virtual_size, disk.allocated, disk.caching, disk.identity
            )

    def _require_firmware(self, disks: list[FoundDisk], definition: Attributes) -> None:
        """Raises: SourceError if the disks are a machine's and the definition declares another generation."""
        from reconciler.providers.libvirt.capture import capture

        first, generation = disks[0], definition.get("hyperVGeneration")
        if isinstance(first, MachineDisk) and generation is not None:
            capture.require_firmware(self._hosts, first.region, first.machine, generation)

    def _machines(self, name: str) -> Iterator[tuple[str, str]]:
        """(region, name) of the machines that a source may refer to; one region for each host."""
        from reconciler.providers.libvirt.host import domains

        region, slash, machine = name.partition("/")
        wanted = (region,) if slash and region in self._hosts.regions else self._one_region_each()
        machine = machine if len(wanted) == 1 and slash else name
        for candidate in wanted:
            with self._hosts.connection(candidate).asking(f"looking for the machine '{machine}'") as handle:
                if domains.find(handle, machine) is not None:
                    yield candidate, machine

    def _one_region_each(self) -> tuple[str, ...]:
        """One region for each host."""
        return tuple({self._hosts.connection(region).uri: region for region in reversed(self._hosts.regions)}.values())

    def _volume(self, source: Mapping[str, Any], lun: str | None) -> VolumeDisk:
        written = str(next(iter(source.values())))
        candidates = list(self._volumes(source, lun))
        if not candidates:
            raise SourceError(
                f"no host has a volume '{written}'",
                "write REGION/POOL/NAME, POOL/NAME or its path on the host; list volumes with: virsh vol-list POOL",
            )
        if len(candidates) > 1:
            regions = ", ".join(disk.pool.region for disk in candidates)
            raise SourceError(f"several hosts have a volume '{written}'", f"write REGION/POOL/NAME; regions: {regions}")
        return candidates[0]

    def _volumes(self, source: Mapping[str, Any], lun: str | None) -> Iterator[VolumeDisk]:
        """Every volume that a `disk` or `snapshot` may refer to."""
        written, snapshot = str(next(iter(source.values()))), ""
        if "snapshot" in source:
            parts = _SNAPSHOT.fullmatch(written)
            if parts is None:
                raise SourceError(f"'{written}' is not a snapshot", "write POOL/NAME@SNAPSHOT")
            written, snapshot = parts[1], parts[2]
        region, _, rest = written.partition("/")
        named = region in self._hosts.regions and "/" in rest
        for candidate in (region,) if named else self._one_region_each():
            for pool, volume in self._look_up(candidate, rest if named else written):
                identity = f"{stamp(volume)}:{volume.path}" + (f"@{snapshot}" if snapshot else "")
                yield VolumeDisk(disk_name(lun), pool, volume, identity, snapshot=snapshot)

    def _look_up(self, region: str, written: str) -> Iterator[tuple[Pool, Volume]]:
        import libvirt

        from reconciler.providers.libvirt.host.failures import is_missing_pool, is_missing_volume
        from reconciler.providers.libvirt.host.pools import Pool

        connection = self._hosts.connection(region)
        pool_name, _, name = written.partition("/")
        with connection.asking(f"looking for the volume '{written}'") as handle:
            try:
                if written.startswith("/"):
                    listed = handle.storageVolLookupByPath(written)
                else:
                    storage_pool = handle.storagePoolLookupByName(pool_name)
                    if not storage_pool.isActive():
                        raise Unavailable(
                            f"{connection.name}: the pool '{pool_name}' is not active",
                            f"start it: {virsh('pool-start', pool_name, uri=connection.uri)}",
                        )
                    listed = storage_pool.storageVolLookupByName(name)
                pool = Pool(region, connection, listed.storagePoolLookupByVolume().name())
                name = listed.name()
            except libvirt.libvirtError as error:
                if is_missing_volume(error) or is_missing_pool(error):
                    return
                raise
        volume = pool.volume(name)
        if volume is not None:
            yield pool, volume


def is_generalized(definition: Attributes) -> bool:
    """Whether a definition declares generalized images, which is the default."""
    return definition.get("osState") != "Specialized"


def _digest_of_volume(disk: VolumeDisk, progress: Callable[[int, int], None] | None, *, plain: bool) -> ContentDigest:
    from reconciler.providers.libvirt.content import streams

    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress(done, disk.volume.size)

    return streams.digest_of_file(disk.pool, disk.volume.name, advance, plain=plain)
