"""ISO 9660 and UDF: images of optical discs, which install systems but are no installed disk."""

from __future__ import annotations

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.reading import ImageReader

_FIRST_DESCRIPTOR, _DESCRIPTOR = 32768, 2048
_SIGNATURES = {
    b"CD001": "ISO 9660",
    b"CDROM": "High Sierra",
    b"BEA01": "UDF",
    b"NSR02": "UDF",
    b"NSR03": "UDF",
}
_RAW_SECTOR = b"\0" + b"\xff" * 10 + b"\0"
"""Begins every sector of a disc that was copied with its error correction, as in BIN and CUE."""


def refuse_optical_discs(image: ImageReader) -> None:
    """Raises: SourceError if there is a disc's descriptor where every reader of optical discs looks.

    A hybrid image, which also boots from a USB stick, is one as well. So is a file that claims to be a disk image in
    its first bytes: a program that looks at the descriptor first would read another disk than the one published.
    Source: ECMA-119, 6.2.1 and 8.1.1; ECMA-167, part 2, 8.3.1 and 9.1.2.
    """
    if image.size < _FIRST_DESCRIPTOR + _DESCRIPTOR:
        return
    descriptor = image.part(_FIRST_DESCRIPTOR, 16, "its beginning")
    name = _SIGNATURES.get(descriptor[1:6]) or _SIGNATURES.get(descriptor[9:14])
    if name is None and image.part(0, 12, "its beginning") == _RAW_SECTOR:
        name = "raw sectors of a CD"
    if name:
        raise SourceError(
            f"{image.label} is an optical disc image ({name}), not a disk", "install it on a disk image first"
        )
