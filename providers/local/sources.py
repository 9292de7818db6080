"""What the disks of a version are made from: files of the project, disks in archives, and other versions' copies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from manifests.address import Address
from manifests.values import Attributes
from providers.disk_formats import recognise
from providers.errors import SourceError, Unsupported
from providers.local import archives, replicas
from providers.local.copying import Extent, copy_extent, file_identity, open_source
from providers.local.settings import Regions
from providers.protocol import SourceFacts

STYLES = frozenset({"file", "version"})
OS_DISK = "os"
_TAR_MAGIC_AT = 257


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a version: what it is, and where its bytes may be read.

    `name` is `os` or `data-LUN`. `identity` is its source's. `sha256` is empty when nobody has read it yet.
    `archive` names the archive it is in, if any. `extents` are the places outside this version's own copies; when they
    are another version's copies, `near` holds those of each region.
    """

    name: str
    size: int
    virtual_size: int
    format: str
    identity: str
    sha256: str = ""
    archive: str = ""
    extents: tuple[Extent, ...] = ()
    near: Mapping[str, tuple[Extent, ...]] | None = None

    def computed(self, sha256: str) -> dict[str, Any]:
        """What is recorded of the disk."""
        values = {
            "size": self.size,
            "virtualSize": self.virtual_size,
            "format": self.format,
            "source": self.identity,
        }
        return {**values, "sha256": sha256} if sha256 else values


class Sources:
    """Finds and describes sources."""

    def __init__(self, regions: Regions, project: str) -> None:
        self._regions = regions
        self._project = project

    @cached_property
    def _managed(self) -> tuple[str, ...]:
        places = (self._regions.root,) if self._regions.root else tuple(self._regions.paths.values())
        return tuple(os.path.realpath(place) + "/" for place in places)

    def identity(self, source: Mapping[str, Any]) -> str:
        """As Reader.source_identity."""
        path = source.get("file")
        if path is None:
            return self._version_identity(source) if "version" in source else ""
        path = os.path.join(self._project, path)
        try:
            own = file_identity(os.stat(path))
        except OSError:
            return ""
        return self._ovf_identity(path, own) if path[-4:].lower() == ".ovf" else own

    def facts(self, source: Mapping[str, Any]) -> SourceFacts:
        """As Reader.source_facts."""
        disks = self.disks_of(source)
        kind = f"{disks[0].archive.lower()[-3:]}" if disks[0].archive else disks[0].format
        return SourceFacts(sum(disk.size for disk in disks), disks[0].virtual_size, kind, disks[0].identity)

    def digest(self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None = None) -> str:
        """As Reader.source_digest: for an archive the digest of its disks' digests."""
        disks = self.disks_of(source)
        total = sum(disk.size for disk in disks)
        done = 0

        def advance(amount: int) -> None:
            nonlocal done
            done += amount
            if progress:
                progress(done, total)

        digests = [disk.sha256 or copy_extent(disk.extents[0], (), advance) for disk in disks]
        return archive_digest(digests) if disks[0].archive else digests[0]

    def disks(self, attributes: Attributes) -> dict[str, Disk | SourceError]:
        """The disks of a version by name, the OS disk first; for a source that is not usable, why.

        Raises: SourceError when two sources give the same disk; Unsupported.
        """
        found: dict[str, Disk | SourceError] = {}
        self._add(found, OS_DISK, attributes["source"])
        for lun, disk in sorted(attributes.get("dataDisks", {}).items(), key=lambda pair: int(pair[0])):
            if "source" in disk:
                self._add(found, f"data-{lun}", disk["source"])
        return found

    def _add(self, found: dict[str, Disk | SourceError], name: str, source: Mapping[str, Any]) -> None:
        """A source of the OS disk may bring data disks with it; that of a data disk brings that one."""
        try:
            disks = self.disks_of(source)
        except SourceError as error:
            self._claim(found, name, source, error)
            return
        if name == OS_DISK:
            for disk in disks:
                self._claim(found, disk.name, source, disk)
            return
        if len(disks) > 1 and disks[0].archive:
            raise SourceError(
                f"'{disks[0].archive}' holds {len(disks)} disks, and {name} is one", "give the disk alone"
            )
        self._claim(found, name, source, _renamed(disks[0], name))

    def _claim(
        self, found: dict[str, Disk | SourceError], name: str, source: Mapping[str, Any], disk: Disk | SourceError
    ) -> None:
        if name in found:
            raise SourceError(
                f"two sources give the disk {name}; one of them is {_spelled(source)}",
                "declare that data disk under another LUN",
            )
        found[name] = disk

    def disks_of(self, source: Mapping[str, Any]) -> list[Disk]:
        """The disks that one source gives, the OS disk first. Raises: SourceError, Unsupported."""
        style = next(iter(source), "nothing")
        if style == "file":
            return self._disks_of_file(str(source["file"]))
        if style == "version":
            return self._disks_of_version(Address.parse(str(source["version"])))
        raise Unsupported(
            f"the local provider cannot make an image from '{style}'", f"it can from: {', '.join(sorted(STYLES))}"
        )

    def _disks_of_file(self, written: str) -> list[Disk]:
        path, label = os.path.join(self._project, written), f"the source '{written}'"
        fd = open_source(path, label)
        try:
            self._refuse_managed(fd, path, label)
            status = os.fstat(fd)
            identity = file_identity(status)
            if path[-4:].lower() == ".ovf":
                members = archives.disks_of_ovf(os.pread(fd, (4 << 20) + 1, 0), path, label)
                return self._disks_in(members, written, self._ovf_identity(path, identity))
            if os.pread(fd, 5, _TAR_MAGIC_AT) == b"ustar":
                return self._disks_in(archives.disks_of_ova(fd, path, label), written, identity)
            found = recognise(lambda offset, length: os.pread(fd, length, offset), status.st_size, label)
        except OSError as error:
            raise SourceError(f"{label} cannot be read: {error.strerror}", "check the disk it is on") from error
        finally:
            os.close(fd)
        extent = Extent(path, 0, status.st_size, label, identity)
        return [Disk(OS_DISK, status.st_size, found.virtual_size, found.name, identity, extents=(extent,))]

    def _refuse_managed(self, fd: int, path: str, label: str) -> None:
        """A region's directory is what we write, not what people keep their sources in."""
        try:
            real = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            real = os.path.realpath(path)
        if any(real.startswith(managed) for managed in self._managed):
            raise SourceError(
                f"{label} lies inside a region's directory", "use `source: {version: ...}`, or copy it elsewhere"
            )

    def _disks_in(self, members: Sequence[archives.Member], written: str, identity: str) -> list[Disk]:
        disks = []
        for number, member in enumerate(members):
            label = f"'{member.name}' in the source '{written}'"
            fd = open_source(member.path, label)
            try:
                self._refuse_managed(fd, member.path, label)
                own = file_identity(os.fstat(fd))
                found = recognise(_reader(fd, member.offset, member.size), member.size, label)
            finally:
                os.close(fd)
            extent = Extent(member.path, member.offset, member.size, label, own)
            name = f"data-{number - 1}" if number else OS_DISK
            disks.append(
                Disk(name, member.size, found.virtual_size, found.name, identity, archive=written, extents=(extent,))
            )
        return disks

    def _ovf_identity(self, path: str, own: str) -> str:
        """An OVF's identity is its own and that of every file it names."""
        label = f"'{path}'"
        try:
            fd = open_source(path, label)
            try:
                members = archives.disks_of_ovf(os.pread(fd, (4 << 20) + 1, 0), path, label)
            finally:
                os.close(fd)
            return "+".join((own, *(file_identity(os.stat(member.path)) for member in members)))
        except (SourceError, OSError):  # cannot be what it was: looking at it in full will say why
            return own

    def _disks_of_version(self, address: Address) -> list[Disk]:
        copies = replicas.published(self._regions, address)
        known = copies[0].description.computed.get("disks", {}) if copies and copies[0].description else {}
        if OS_DISK not in known:
            raise SourceError(f"the source version {address} has no copy in any region", "apply that version first")
        return [
            Disk(
                name,
                values["size"],
                values["virtualSize"],
                values["format"],
                f"{address} {values.get('sha256', values['source'])}",
                values.get("sha256", ""),
                extents=tuple(extent for copy in copies for extent in copy.extents(name)),
                near={copy.region: copy.extents(name) for copy in copies},
            )
            for name, values in sorted(known.items(), key=lambda pair: disk_order(pair[0]))
        ]

    def _version_identity(self, source: Mapping[str, Any]) -> str:
        try:
            return self._disks_of_version(Address.parse(str(source["version"])))[0].identity
        except SourceError:
            return ""


def disk_order(name: str) -> int:
    """The OS disk first, then data disks by LUN."""
    return -1 if name == OS_DISK else int(name.removeprefix("data-"))


def archive_digest(digests: Sequence[str]) -> str:
    """One digest for the disks of an archive, in order."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _reader(fd: int, start: int, size: int) -> Callable[[int, int], bytes]:
    return lambda offset, length: os.pread(fd, max(min(length, size - offset), 0), start + offset)


def _renamed(disk: Disk, name: str) -> Disk:
    return Disk(
        name,
        disk.size,
        disk.virtual_size,
        disk.format,
        disk.identity,
        disk.sha256,
        disk.archive,
        disk.extents,
        disk.near,
    )


def _spelled(source: Mapping[str, Any]) -> str:
    return ", ".join(f"{style} '{value}'" for style, value in source.items())
