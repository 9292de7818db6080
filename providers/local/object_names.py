"""What lies where in a region's directory, and the text by which a look tells that nothing changed.

    GALLERY/gallery.json                          in the gallery's home region
    GALLERY/DEFINITION/definition.json            in the definition's
    GALLERY/DEFINITION/VERSION.json               in the version's
    GALLERY/DEFINITION/VERSION/region.json        in each target region, and beside it the disks
    GALLERY/DEFINITION/VERSION/replica-1.os.vhd   replica-1.data-0.raw, replica-2.os.vhd, ...

What is being made or removed has a hidden name in the same folder that ends with the beginning of the lineage.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from reconciler.manifests.address import Address
from reconciler.providers.errors import Unsupported
from reconciler.providers.image_files.disk_formats import EXTENSIONS

REGION_FILE = "region.json"
_GALLERY_FILE = "gallery.json"
_DEFINITION_FILE = "definition.json"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REPLICA = re.compile(r"replica-([1-9][0-9]*)\.(os|data-[0-9]+)\.[a-z0-9]+")
_UNFINISHED = re.compile(r"\.(?P<name>.+)\.(?P<what>staging|removed|new)-(?P<lineage>[A-Za-z0-9]+)")


def check_names(address: Address) -> None:
    """Raises: Unsupported when a part of the address cannot be the name of a directory of its own."""
    for part in address:
        if part and not _SAFE.fullmatch(part):
            raise Unsupported(
                f"'{part}' in {address} cannot be the name of a directory",
                "use letters, digits, '.', '_' and '-', beginning with a letter or digit",
            )
    if _GALLERY_FILE in (address.gallery, address.definition) or address.definition == _DEFINITION_FILE:
        raise Unsupported(f"{address}: the local provider needs that file name for itself", "choose another name")


def folder(address: Address) -> tuple[str, ...]:
    """The directories, below the region's, down to the one with the object's description."""
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
    """How the object is called in this world: its region and its path there."""
    return "/".join((region, *folder(address), *(() if address.region else (description_file(address),))))


def replica_file(number: int, disk: str, disk_format: str) -> str:
    """The name of one replica's copy of a disk (`os` or `data-LUN`)."""
    return f"replica-{number}.{disk}.{EXTENSIONS[disk_format]}"


def replica_of(name: str) -> tuple[int, str] | None:
    """Replica number and disk of a file's name; None when it is not one of ours."""
    found = _REPLICA.fullmatch(name)
    return (int(found[1]), found[2]) if found else None


def is_ours(name: str) -> bool:
    """Whether a file in a target region's folder has a name that we give."""
    hidden = unfinished(name)
    shown = hidden[0] if hidden else name
    return shown == REGION_FILE or replica_of(shown) is not None


def short_lineage(lineage: str) -> str:
    """The beginning of a lineage, as it stands in the names of unfinished things."""
    return re.sub(r"[^A-Za-z0-9]", "", lineage)[:8] or "none"


def staging_name(name: str, lineage: str) -> str:
    return f".{name}.staging-{short_lineage(lineage)}"


def removed_name(name: str, lineage: str) -> str:
    return f".{name}.removed-{short_lineage(lineage)}"


def new_name(name: str, lineage: str) -> str:
    return f".{name}.new-{short_lineage(lineage)}"


def unfinished(name: str) -> tuple[str, str] | None:
    """(name it is to get or had, beginning of the lineage) when `name` is that of something unfinished."""
    found = _UNFINISHED.fullmatch(name)
    return (found["name"], found["lineage"]) if found else None


def stamp(status: os.stat_result) -> str:
    """What a file's status says of its content; another inode is another file."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"


def fingerprint(region: str, folders: Iterable[str], stamps: Iterable[tuple[str, str]]) -> str:
    """The text of an object's files and their stamps, which says by itself where to look.

    A name that begins with '/' is the file a Shallow region refers to.
    """
    files = (f"{quote(name)} {mark}" for name, mark in stamps)
    return "|".join(("/".join((region, *folders)), *files))


def stamps_in(text: str) -> dict[str, str]:
    """File name -> stamp, of a fingerprint."""
    files = (entry.rpartition(" ") for entry in text.split("|")[1:])
    return {unquote(name): mark for name, _, mark in files}


def region_in(text: str) -> str:
    """The region a fingerprint speaks of."""
    return text.partition("/")[0]
