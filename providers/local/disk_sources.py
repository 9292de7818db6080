"""The sources of a version's disks: files of the project, and copies of other versions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.trust import Trust
from reconciler.manifests.values import Attributes, source_style
from reconciler.providers.common.descriptions import Unreadable
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError, SourceError, Unsupported
from reconciler.providers.image_files.extents import Extent
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.image_sources import FileSources, is_file
from reconciler.providers.image_files.source_disks import (
    OS_DISK,
    Progress,
    SourceDisk,
    digest_of,
    disk_name,
    facts_of,
    version_disks,
)
from reconciler.providers.local.descriptions import read_description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.protocol import SourceFacts

SUPPORTED = frozenset({"file", "url", "version"})


class DiskSources:
    """Finds sources in the project's folder and among the versions in the regions."""

    def __init__(self, paths: ObjectPaths, project: str, trust: Trust | None = None) -> None:
        self._paths = paths
        self._files = FileSources(project, trust)

    def identity(self, source: Mapping[str, Any]) -> str:
        """As `Reader.source_identity`; a version's never changes, because published content does not."""
        return self._files.identity(source) if is_file(source) else str(source.get("version", ""))

    def facts(self, source: Mapping[str, Any]) -> SourceFacts:
        """As `Reader.source_facts`; the sizes cover all disks of an archive."""
        return self._files.facts(self._usable(source)) if is_file(source) else facts_of(self.of(source, None))

    def digest(self, source: Mapping[str, Any], progress: Progress | None, *, plain: bool = False) -> ContentDigest:
        """As `Reader.source_digest`; for an archive, the digest of its disks' digests."""
        if is_file(source):
            return self._files.digest(self._usable(source), progress, plain=plain)
        return digest_of(self.of(source, None), progress, plain=plain)

    def of_version(self, version: Attributes, progress: Progress | None = None) -> list[SourceDisk]:
        """Every disk of a version, the OS disk first; `progress` is that of downloads. Raises: SourceError,
        Unsupported; ProviderError, Unavailable for downloads."""
        return version_disks(version, lambda source, lun: self.of(source, lun, progress))

    def of(self, source: Mapping[str, Any], lun: str | None, progress: Progress | None = None) -> list[SourceDisk]:
        """The disks of one source: several only for an archive or a version that is the source of the OS disk.

        Raises: SourceError, Unsupported; ProviderError, Unavailable for downloads.
        """
        if "version" in source:
            return self._of_published(Address.parse(str(source["version"])), lun)
        return self._files.disks(self._usable(source), lun, progress)

    def _usable(self, source: Mapping[str, Any]) -> Mapping[str, Any]:
        """A source that is a file outside of the regions. Raises: SourceError, Unsupported for any other."""
        if not is_file(source):
            raise Unsupported(
                f"the local provider cannot read a source '{source_style(source)[0]}'",
                f"it reads: {', '.join(sorted(SUPPORTED))}",
            )
        if "file" in source and self._paths.contain(self._files.path(source)):
            raise SourceError(
                f"'{source['file']}' is in a region's directory, which belongs to the images there",
                "name the version as the source, or copy the image to another place",
            )
        return source

    def _of_published(self, version: Address, lun: str | None) -> list[SourceDisk]:
        """The copies of another version's disks: all of them for the OS disk, only its OS disk for a data disk."""
        for region in self._paths.present():
            disks = list(_complete_copies(self._paths, version._replace(region=region)))
            if lun is None and disks:
                return disks
            if disks:
                return [replace(disk, disk=disk_name(lun)) for disk in disks if disk.disk == OS_DISK]
        raise SourceError(f"no region has a complete copy of {version}", "publish that version first, or repair it")


def _complete_copies(paths: ObjectPaths, region: Address) -> Iterator[SourceDisk]:
    """One copy of each disk in a region; none at all if one of the disks has no copy of full length."""
    try:
        description, _ = read_description(f"{paths.folder(region)}/{object_names.REGION_FILE}")
    except (OSError, Unreadable, ProviderError):
        return
    disks = []
    for disk, facts in sorted(description.computed.get("disks", {}).items(), key=lambda pair: pair[0] != OS_DISK):
        copy = next(copies_of_full_length(paths, region, disk), None)
        if copy is None:
            return
        disks.append(SourceDisk(disk, *copy, str(region.unit), ContentDigest.in_facts(facts)))
    yield from disks


def copies_of_full_length(paths: ObjectPaths, region: Address, disk: str) -> Iterator[tuple[Extent, DiskFormat]]:
    """The copies of a disk in one region that are as long as recorded, by replica number. No content is read."""
    folder = paths.folder(region)
    try:
        description, _ = read_description(f"{folder}/{object_names.REGION_FILE}")
        facts = description.computed["disks"][disk]
    except (OSError, Unreadable, ProviderError, KeyError):
        return
    for name in sorted(name for name, which in description.files.items() if which == disk):
        path = f"{folder}/{name}"
        try:
            size = os.lstat(path).st_size
        except OSError:
            continue
        if size == facts["size"]:
            disk_format = DiskFormat(str(facts["format"]), int(facts["virtualSize"]))
            yield Extent(path, 0, size, f"the copy '{region}' ({name})", followed=False), disk_format
