"""qcow2, versions 2 and 3. Source: docs/interop/qcow2.rst and block/qcow2.c of QEMU."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from reconciler.providers.image_files.formats.disk_format import SECTOR, DiskFormat, UnusableImage
from reconciler.providers.image_files.formats.qcow2_bitmaps import check_bitmaps
from reconciler.providers.image_files.formats.qcow2_tables import check_tables
from reconciler.providers.image_files.formats.reading import ImageReader

_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION, _EXTENDED_L2 = 1, 2, 4, 8, 16
_KNOWN = _DIRTY | _CORRUPT | _DATA_FILE | _COMPRESSION | _EXTENDED_L2
_ZLIB, _ZSTD = 0, 1
_SHORT_HEADER, _LONG_HEADER = 72, 104
_END, _BACKING_FORMAT, _FEATURE_NAMES = 0, 0xE2792ACA, 0x6803F857
_BITMAPS, _CRYPTO, _EXTERNAL_FILE = 0x23852875, 0x0537BE77, 0x44415441
_BITMAPS_ARE_CURRENT = 1


@dataclass(frozen=True, slots=True)
class Header:
    """The fixed part of a header. Offsets are in bytes."""

    version: int
    backing: int
    backing_size: int
    cluster_bits: int
    size: int
    encryption: int
    l1_entries: int
    l1_offset: int
    counts_offset: int
    counts_clusters: int
    snapshots: int
    snapshots_offset: int
    incompatible: int = 0
    compatible: int = 0
    autoclear: int = 0
    count_order: int = 4
    length: int = _SHORT_HEADER

    @property
    def cluster(self) -> int:
        """Bytes of a cluster."""
        return 1 << self.cluster_bits

    @property
    def has_extended_l2(self) -> bool:
        return bool(self.incompatible & _EXTENDED_L2)

    @property
    def is_dirty(self) -> bool:
        """Whether its reference counts may be out of date."""
        return bool(self.incompatible & _DIRTY)


def qcow2(image: ImageReader, head: bytes) -> DiskFormat:
    """The format of an image with the signature of qcow2. Raises: SourceError."""
    image.kind = "qcow2"
    header = parsed_header(image, head)
    _refuse_other_files(image, header)
    _check_features(image, header, head)
    facts = DiskFormat("qcow2", header.size, dirty=header.is_dirty, encrypted=header.encryption != 0)
    _check_extensions(image, header)
    if facts.encrypted:
        raise UnusableImage(
            f"{image.label} is an encrypted qcow2 image",
            "decrypt it first: qemu-img convert --object secret,id=key,file=KEYFILE --image-opts "
            "driver=qcow2,file.filename=IMAGE,encrypt.key-secret=key -O qcow2 IMAGE.qcow2",
            facts,
        )
    if header.incompatible & _CORRUPT:
        raise UnusableImage(
            f"{image.label} is marked as damaged", "repair a copy of it with: qemu-img check -r all IMAGE", facts
        )
    image.require_size(header.size, (1 << 63) - SECTOR)
    check_tables(image, header)
    return facts


def parsed_header(image: ImageReader, head: bytes) -> Header:
    """The fixed part of a header. Raises: SourceError."""
    if len(head) < _LONG_HEADER:
        raise image.damaged("its header is incomplete")
    header = Header(*struct.unpack_from(">IQIIQIIQQIIQ", head, 4))
    if header.version == 3:
        header = Header(*struct.unpack_from(">IQIIQIIQQIIQQQQII", head, 4))
    if header.version not in (2, 3):
        raise image.unsupported(f"its version {header.version} is unknown")
    if not 9 <= header.cluster_bits <= 21:
        raise image.damaged(f"its cluster size of 2^{header.cluster_bits} bytes is none that the format allows")
    return header


def _refuse_other_files(image: ImageReader, header: Header) -> None:
    if header.backing or header.backing_size:
        raise image.dependent("a qcow2 overlay with a backing file")
    if header.incompatible & _DATA_FILE:
        raise image.dependent("a qcow2 image with an external data file")


def _check_features(image: ImageReader, header: Header, head: bytes) -> None:
    """Raises: SourceError for what only a newer program understands."""
    if header.incompatible & ~_KNOWN:
        raise image.unsupported(f"it has features that are unknown ({header.incompatible & ~_KNOWN:#x})")
    if header.count_order > 6:
        raise image.damaged("its reference counts are of an unknown width")
    if header.encryption > 2:
        raise image.unsupported(f"its encryption ({header.encryption}) is unknown")
    if header.has_extended_l2 and header.cluster_bits < 14:
        raise image.damaged("its clusters are too small for its extended L2 entries")
    if header.version == 3 and not _LONG_HEADER <= header.length <= header.cluster:
        raise image.damaged(f"its header declares {header.length} bytes")
    is_long = header.length > _LONG_HEADER
    if header.length % 8 or (is_long and any(head[105 : min(header.length, 112)])):
        raise image.unsupported("its header has fields that are unknown")
    if is_long and header.length > 112 and any(image.part(112, header.length - 112, "its header")):
        raise image.unsupported("its header has fields that are unknown")
    compression = head[_LONG_HEADER] if is_long else _ZLIB
    if compression > _ZSTD or bool(header.incompatible & _COMPRESSION) != (compression != _ZLIB):
        raise image.unsupported(f"its compression ({compression}) is unknown")


def _check_extensions(image: ImageReader, header: Header) -> None:
    """Raises: SourceError if an extension of the header is unknown, or does not fit into the first cluster."""
    position = header.length
    while position + 8 <= header.cluster:
        kind, length = image.fields(position, ">II", "its header")
        position += 8
        if length > header.cluster - position:
            raise image.damaged("a part of its header is larger than its first cluster")
        if kind == _END:
            return
        _check_extension(image, header, kind, (position, length))
        position += -(-length // 8) * 8


def _check_extension(image: ImageReader, header: Header, kind: int, place: tuple[int, int]) -> None:
    if kind == _EXTERNAL_FILE:
        raise image.dependent("a qcow2 image with an external data file")
    if kind == _BITMAPS:
        if place[1] != 24:
            raise image.damaged("its list of bitmaps cannot be read")
        if header.autoclear & _BITMAPS_ARE_CURRENT:
            check_bitmaps(image, header, place[0])
    elif kind == _CRYPTO:
        if header.encryption != 2 or place[1] != 16:
            raise image.damaged("it has an encryption header and is not encrypted with LUKS")
    elif kind == _BACKING_FORMAT:
        if place[1] > 15:
            raise image.damaged("the name of a format in its header is too long")
    elif kind != _FEATURE_NAMES:
        raise image.unsupported(f"its header has an extension that is unknown ({kind:#x})")
