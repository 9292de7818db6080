"""Recognises disk images by their own headers: format, virtual size, and whether a file can be one at all.

Only what is understood whole is accepted; a raw disk is what nothing else is. Headers, footers and tables are read, a
few kilobytes for most images, and never more than a fixed amount. No parser from PyPI is suitable: dissect.hypervisor
is AGPL, and the inspector in oslo.utils depends on eight packages and mistakes a fixed VHD, which only its last sector
identifies, for a raw disk. tests/unit/providers/formats compares the two case by case.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import SECTOR, DiskFormat
from reconciler.providers.image_files.formats.reading import ImageReader, ReadAt

Reader = Callable[[ImageReader, bytes], DiskFormat]

_HEAD = 4096
_VDI, _VDI_AT = b"\x7f\x10\xda\xbe", 0x40


def recognise(read: ReadAt, size: int, label: str) -> DiskFormat:
    """The format of the image of `size` bytes that `read` reads; `label` is its name in messages.

    Raises: SourceError if it cannot be a disk image, is cut short, depends on another file, or is of a kind that must
    be converted first.
    """
    from reconciler.providers.image_files.formats.optical_disc import refuse_optical_discs
    from reconciler.providers.image_files.formats.other_kinds import refuse_other_kinds

    if size == 0:
        raise SourceError(f"{label} is empty", "give a disk image")
    image = ImageReader(read, size, label)
    head = image.part(0, min(size, _HEAD), "its beginning")
    reader = _by_head(head)
    if reader:
        _refuse_second_signature(image, head)
        refuse_optical_discs(image)
        return reader(image, head)
    refuse_other_kinds(image, head)
    footer = image.part(size - SECTOR, SECTOR, "its end") if size > SECTOR else b""
    if footer.startswith(b"conectix"):
        from reconciler.providers.image_files.formats.vhd import fixed_vhd

        return fixed_vhd(image, footer)
    from reconciler.providers.image_files.formats.raw import raw

    refuse_optical_discs(image)
    return raw(image, head)


def _refuse_second_signature(image: ImageReader, head: bytes) -> None:
    """Raises: SourceError if the image is a VDI as well; in a VHD the same bytes may be a checksum."""
    if head.startswith((b"QFI\xfb", b"vhdxfile", b"KDMV")) and head.startswith(_VDI, _VDI_AT):
        raise image.damaged("it has the signatures of two formats")


def _by_head(head: bytes) -> Reader | None:
    """What reads the format whose signature is in the first bytes."""
    if head.startswith(b"QFI\xfb") and not head.startswith(b"QFI\xfb\0\0\0\1"):
        from reconciler.providers.image_files.formats.qcow2 import qcow2

        return qcow2
    if head.startswith(b"vhdxfile"):
        from reconciler.providers.image_files.formats.vhdx import vhdx

        return vhdx
    if head.startswith(b"KDMV"):
        from reconciler.providers.image_files.formats.vmdk import vmdk

        return vmdk
    if head.startswith(b"conectix"):
        from reconciler.providers.image_files.formats.vhd import dynamic_vhd

        return dynamic_vhd
    if head.startswith(_VDI, _VDI_AT):
        from reconciler.providers.image_files.formats.vdi import vdi

        return vdi
    return None
