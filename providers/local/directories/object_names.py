"""The names of files in a region's directory, and the fingerprints of objects.

    GALLERY/gallery.json                          in the gallery's home region
    GALLERY/DEFINITION/definition.json            in the definition's
    GALLERY/DEFINITION/VERSION.json               in the version's
    GALLERY/DEFINITION/VERSION/region.json        in each target region, and beside it the disks
    GALLERY/DEFINITION/VERSION/replica-1.os.vhd   replica-1.data-0.raw, replica-2.os.vhd, ...

Anything unfinished has a hidden name in the same folder that ends with the beginning of the lineage and the fence of
the run: `.1.0.0.staging-5f1d2c3b-7`. Earlier releases wrote no fence there.

    .VERSION.staging-...    a target region's folder while it is filled
    .VERSION.replaced-...   what was the region, until its replacement is certain to stay
    .VERSION.removed-...    what was the region, while it is deleted
    .FILE.new-...           a file until it is complete
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.manifests.address import Address
from reconciler.providers.common import fingerprints
from reconciler.providers.errors import Unsupported
from reconciler.providers.image_files.formats.disk_format import EXTENSIONS
from reconciler.providers.owner import Writer

REGION_FILE = "region.json"
_GALLERY_FILE = "gallery.json"
_DEFINITION_FILE = "definition.json"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REPLICA = re.compile(r"replica-([1-9][0-9]*)\.(os|data-[0-9]+)\.[a-z0-9]+")
_UNFINISHED = re.compile(
    r"\.(?P<name>.+)\.(?P<what>staging|replaced|removed|new)-(?P<lineage>[A-Za-z0-9]+)(-(?P<fence>[0-9]+))?"
)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What the hidden name of something unfinished says: its final or former `name`, and the run that wrote it."""

    name: str
    what: str
    lineage: str
    fence: int

    def is_left_for(self, writer: Writer) -> bool:
        """Whether the run that wrote it was of the same state, and no later one: so it is over, or the writer's own."""
        return self.lineage == short_lineage(writer.lineage) and self.fence <= writer.fence


def check_names(address: Address) -> None:
    """Raises: Unsupported if a part of the address cannot be the name of a directory."""
    for part in address:
        if part and not _SAFE.fullmatch(part):
            raise Unsupported(
                f"'{part}' in {address} cannot be the name of a directory",
                "use letters, digits, '.', '_' and '-', starting with a letter or digit",
            )
    if _GALLERY_FILE in (address.gallery, address.definition) or address.definition == _DEFINITION_FILE:
        raise Unsupported(f"{address}: the local provider reserves that file name", "choose another name")


def folder(address: Address) -> tuple[str, ...]:
    """The directories below the region's, down to the one that contains the object's description."""
    if address.version and not address.region:
        return (address.gallery, address.definition)
    return tuple(part for part in address[:3] if part)


def description_file(address: Address) -> str:
    """The name of the object's description in its folder."""
    if address.region:
        return REGION_FILE
    if address.version:
        return f"{address.version}.json"
    return _DEFINITION_FILE if address.definition else _GALLERY_FILE


def object_id(region: str, address: Address) -> str:
    """The object's id for this provider: its region and its path there."""
    return "/".join((region, *folder(address), *(() if address.region else (description_file(address),))))


def replica_file(number: int, disk: str, disk_format: str) -> str:
    """The name of one replica's copy of a disk (`os` or `data-LUN`)."""
    return f"replica-{number}.{disk}.{EXTENSIONS[disk_format]}"


def replica_of(name: str) -> tuple[int, str] | None:
    """The replica number and the disk in a file's name; None if it is not one of ours."""
    parsed = _REPLICA.fullmatch(name)
    return (int(parsed[1]), parsed[2]) if parsed else None


def is_ours(name: str) -> bool:
    """Whether a file in a target region's folder has a name that we give."""
    hidden = unfinished(name)
    shown = hidden.name if hidden else name
    return shown == REGION_FILE or replica_of(shown) is not None


def short_lineage(lineage: str) -> str:
    """The beginning of a lineage, as the names of unfinished files contain it."""
    return re.sub(r"[^A-Za-z0-9]", "", lineage)[:8] or "none"


def hidden_name(name: str, what: str, writer: Writer) -> str:
    """The name of something unfinished: a target region's folder that is `staging`, `replaced` or `removed`, or a file
    that is `new`."""
    return f".{name}.{what}-{short_lineage(writer.lineage)}-{writer.fence}"


def unfinished(name: str) -> Unfinished | None:
    """What a name says if it is that of something unfinished, else None."""
    parsed = _UNFINISHED.fullmatch(name)
    return Unfinished(parsed["name"], parsed["what"], parsed["lineage"], int(parsed["fence"] or 0)) if parsed else None


def stamp(status: os.stat_result) -> str:
    """The part of a file's status that changes with its content; another inode is another file."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"


def fingerprint(region: str, folders: Iterable[str], stamps: Iterable[tuple[str, str]]) -> str:
    """The fingerprint of an object from the (name, stamp) pairs of its files. A name that begins with '/' is the path
    of the source that a Shallow region refers to."""
    return fingerprints.fingerprint("/".join((region, *folders)), stamps)


def region_in(text: str) -> str:
    """The region that a fingerprint is about; empty for an empty one."""
    return fingerprints.place_in(text).partition("/")[0]
