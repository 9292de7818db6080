"""The text inside a VMDK that says what its data is: every line of it has to be understood.

Source: VMware Virtual Disk Format 5.0, "The Descriptor"; block/vmdk.c of QEMU, which looks for the names of other
files in this text alone, wherever in it they are.
"""

from __future__ import annotations

import re

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.reading import CONVERT, ImageReader

_TYPES = (b"monolithicsparse", b"streamoptimized")
_FIELDS = {
    b"version",
    b"encoding",
    b"cid",
    b"parentcid",
    b"isnativesnapshot",
    b"createtype",
    b"changetrackpath",
    b"digesttype",
    b"objectid",
}
_EXTENT_TYPES = (b"sparse",)
_FIELD = re.compile(rb"([a-z][a-z0-9_.]*)[ \t]*=[ \t]*(.*)")
_EXTENT = re.compile(rb"(rw|rdonly|noaccess)[ \t]+(\d+)[ \t]+([a-z]+)(?:[ \t]+\"([^\"]*)\")?[ \t]*(\d*)")
_ID = re.compile(rb"=[ \t]*[0-9a-fA-F]{1,8}\b")
_PATH = re.compile(rb"[/\\:]")


def check_descriptor(image: ImageReader, text: bytes, capacity: int, grain: int) -> None:
    """Raises: SourceError unless `text` describes one sparse extent of `capacity` sectors, this file, and nothing else.

    `capacity` may have been rounded up to a whole `grain` of sectors.
    """
    if not all(_ID.match(text.partition(name)[2]) for name in (b"CID", b"parentCID")):
        raise image.damaged("its descriptor has no content id")
    text = text.lower()  # VMware does not distinguish case; QEMU does
    if b"parentfilenamehint" in text:
        raise image.dependent("a VMDK delta")
    fields: dict[bytes, bytes] = {}
    extents: list[re.Match[bytes]] = []
    for line in (raw.strip() for raw in text.split(b"\n")):
        extent, field = _EXTENT.fullmatch(line), _FIELD.fullmatch(line)
        if extent:
            extents.append(extent)
        elif field:
            _add(image, fields, field[1], field[2].strip(b' \t"'))
        elif line and not line.startswith(b"#"):
            raise image.unsupported("its descriptor has a line of an unknown kind")
    _check_fields(image, fields)
    _check_extents(image, extents, capacity, grain)


def _add(image: ImageReader, fields: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    if name.startswith(b"ddb."):
        return
    if name.startswith((b"encryption.", b"keysafe", b"datakey")):
        raise image.unsupported("it is encrypted")
    if name not in _FIELDS or name in fields:
        raise image.unsupported(f"its descriptor has a line '{name.decode()}' that is unknown or occurs twice")
    fields[name] = value


def _check_fields(image: ImageReader, fields: dict[bytes, bytes]) -> None:
    if fields.get(b"parentcid", b"ffffffff") != b"ffffffff":
        raise image.dependent("a VMDK delta")
    kind = fields.get(b"createtype", b"")
    if kind.startswith(b"twogbmaxextent") or kind == b"vmfssparse":
        raise SourceError(f"{image.label} is one part of a VMDK that is split into several files", CONVERT)
    if kind not in _TYPES:
        raise image.unsupported("its createType is not monolithicSparse or streamOptimized")
    if fields.get(b"version") not in (b"1", b"2", b"3"):
        raise image.unsupported("its descriptor is of an unknown version")


def _check_extents(image: ImageReader, extents: list[re.Match[bytes]], capacity: int, grain: int) -> None:
    if len(extents) > 1:
        raise SourceError(f"{image.label} is one part of a VMDK that is split into several files", CONVERT)
    if not extents:
        raise image.damaged("its descriptor has no extent")
    access, sectors, kind, name, offset = extents[0].groups()
    if kind not in _EXTENT_TYPES or access == b"noaccess" or (offset or b"0").strip(b"0"):
        raise image.unsupported("its descriptor has an extent that is not sparse data of its own")
    if not name or _PATH.search(name):
        raise image.unsupported("the extent in its descriptor names a path, and not a file")
    if len(sectors) > 20 or not 0 <= capacity - int(sectors) < grain:
        raise image.damaged("its header and its descriptor contradict each other about its size")
