"""Files that are no disk image, or one that has to be converted first: each has a name and a remedy of its own.

Where the signatures are from: the magic database of file(1), the probes in QEMU's block drivers, and the makers' own
format descriptions. What a plain disk may begin with (x86 code, an empty sector, a file system) must not be added, nor
a signature of less than three bytes: a disk may begin with random ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import SECTOR, DiskFormat, UnusableImage
from reconciler.providers.image_files.formats.reading import CONVERT, ImageReader

_ITSELF = "give the disk image itself"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Files with `magic` at `offset`, counted from the end if negative."""

    offset: int
    magic: bytes
    what: str
    remedy: str


def _unpacked_with(command: str) -> str:
    return f"unpack it first: {command}"


def _converted_from(driver: str) -> str:
    return f"convert it first: qemu-img convert -f {driver} -O raw IMAGE IMAGE.raw"


_DISKS = (
    _Kind(0, b"QED\x00", "a QED image", _converted_from("qed")),
    _Kind(0, b"QFI\xfb\x00\x00\x00\x01", "a qcow image of version 1", _converted_from("qcow")),
    _Kind(0, b"# Disk DescriptorFile", "a VMDK text descriptor, whose data is in other files", CONVERT),
    _Kind(
        0,
        b"COWD",
        "an ESX copy-on-write VMDK, one part of a disk",
        "convert the disk that it belongs to: qemu-img convert -f vmdk -O raw DESCRIPTOR.vmdk IMAGE.raw",
    ),
    _Kind(
        0,
        b"\xbe\xba\xfe\xca\x00\x00\x00\x00",
        "a space-efficient VMDK (seSparse), one part of a disk",
        "convert the disk that it belongs to: qemu-img convert -f vmdk -O raw DESCRIPTOR.vmdk IMAGE.raw",
    ),
    _Kind(0, b"Bochs Virtual HD Image", "a disk image of Bochs", _converted_from("bochs")),
    _Kind(0, b"#!/bin/sh\n#V", "a compressed loop image (cloop)", _converted_from("cloop")),
    _Kind(-512, b"koly", "a disk image of macOS (UDIF, DMG)", _converted_from("dmg")),
    _Kind(0, b"koly", "a disk image of macOS (UDIF, DMG)", "convert it first: hdiutil convert -format UDTO IMAGE"),
    _Kind(0, b"encrcdsa", "an encrypted disk image of macOS", "convert it first: hdiutil convert -format UDTO IMAGE"),
    _Kind(-8, b"cdsaencr", "an encrypted disk image of macOS", "convert it first: hdiutil convert -format UDTO IMAGE"),
    _Kind(0, b"sprs", "a sparse image of macOS", "convert it first: hdiutil convert -format UDTO IMAGE"),
    _Kind(0, b"shdw", "a sparse image of Apple (ASIF)", "convert it first: diskutil image create from IMAGE IMAGE.raw"),
    _Kind(0, b"VMA\x00", "a backup of Proxmox VE (VMA)", "unpack it first: vma extract IMAGE FOLDER"),
    _Kind(0, b"EVF\x09\x0d\x0a\xff\x00", "a forensic image (EWF)", "convert it first: ewfexport -f raw IMAGE"),
    _Kind(0, b"EVF2\x0d\x0a\x81\x00", "a forensic image (EWF)", "convert it first: ewfexport -f raw IMAGE"),
    _Kind(0, b"LVF\x09\x0d\x0a\xff\x00", "logical evidence of a forensic program (EWF)", _ITSELF),
    _Kind(0, b"AFF10\x0d\x0a\x00", "a forensic image (AFF)", "convert it first: affconvert -r IMAGE"),
    _Kind(0, b"MSWIM\x00\x00\x00", "a Windows image of files (WIM)", "apply it to a disk image first: wimapply"),
    _Kind(0, b"WLPWM\x00\x00\x00", "a Windows image of files (WIM)", "apply it to a disk image first: wimapply"),
    _Kind(0, b"\x3a\xff\x26\xed", "an Android sparse image", "convert it first: simg2img IMAGE IMAGE.raw"),
    _Kind(0, b"ANDROID!", "an Android boot image", _ITSELF),
    _Kind(0, b"OOOM", "a copy-on-write file of User Mode Linux", "merge it first: uml_moo IMAGE"),
    _Kind(0, b"MOOO", "a copy-on-write file of User Mode Linux", "merge it first: uml_moo IMAGE"),
    _Kind(0, b"partclone-image", "a backup of Partclone", "restore it first: partclone.restore -C -s IMAGE -O DISK"),
    _Kind(0, b"PaRtImAgE-VoLuMe", "a backup of Partimage", "restore it to a disk image first"),
    _Kind(0, b"\0ntfsclone-image", "a backup of ntfsclone", "restore it first: ntfsclone --restore-image"),
    _Kind(0, b"\xb4nhD", "a backup of Acronis", "restore it to a disk image first"),
    _Kind(0, b"\xfe\xef\x01", "a backup of Norton Ghost", "restore it to a disk image first"),
    _Kind(0, b"CISO", "a compressed optical disc image", "install it on a disk image first"),
    _Kind(0, b"ISz!", "a compressed optical disc image", "install it on a disk image first"),
    _Kind(0, b"DAA\x00", "a compressed optical disc image", "install it on a disk image first"),
    _Kind(-12, b"NER5", "an optical disc image of Nero", "install it on a disk image first"),
    _Kind(-8, b"NERO", "an optical disc image of Nero", "install it on a disk image first"),
)
_PACKED = (
    _Kind(0, b"PK\x03\x04", "a zip archive", _unpacked_with("unzip FILE")),
    _Kind(0, b"PK\x05\x06", "an empty zip archive", _ITSELF),
    _Kind(0, b"PK\x07\x08", "one part of a zip archive", _ITSELF),
    _Kind(0, b"\x1f\x8b\x08", "compressed with gzip", _unpacked_with("gunzip --keep FILE")),
    _Kind(0, b"\x1f\x9d\x90", "compressed with compress", _unpacked_with("gunzip --keep FILE")),
    _Kind(0, b"\xfd7zXZ\x00", "compressed with xz", _unpacked_with("unxz --keep FILE")),
    _Kind(0, b"\x5d\x00\x00", "compressed with lzma", _unpacked_with("unlzma --keep FILE")),
    _Kind(0, b"LZIP", "compressed with lzip", _unpacked_with("lzip --decompress --keep FILE")),
    _Kind(0, b"BZh", "compressed with bzip2", _unpacked_with("bunzip2 --keep FILE")),
    _Kind(0, b"\x28\xb5\x2f\xfd", "compressed with zstd", _unpacked_with("unzstd FILE")),
    _Kind(0, b"\x04\x22\x4d\x18", "compressed with lz4", _unpacked_with("unlz4 FILE")),
    _Kind(0, b"\x02\x21\x4c\x18", "compressed with lz4", _unpacked_with("unlz4 FILE")),
    _Kind(1, b"\x2a\x4d\x18", "compressed with lz4 or zstd", _unpacked_with("unzstd FILE")),
    _Kind(0, b"\x89LZO\x00\x0d\x0a\x1a\x0a", "compressed with lzop", _unpacked_with("lzop -d FILE")),
    _Kind(0, b"\xff\x06\x00\x00sNaPpY", "compressed with snappy", _ITSELF),
    _Kind(0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _unpacked_with("7z x FILE")),
    _Kind(0, b"Rar!\x1a\x07", "a RAR archive", _unpacked_with("unrar x FILE")),
    _Kind(0, b"MSCF\x00\x00\x00\x00", "a cabinet archive", _unpacked_with("cabextract FILE")),
    _Kind(0, b"xar!", "a xar archive", _ITSELF),
    _Kind(2, b"-lh", "an LHA archive", _ITSELF),
    _Kind(0, b"070701", "a cpio archive", _ITSELF),
    _Kind(0, b"070702", "a cpio archive", _ITSELF),
    _Kind(0, b"070707", "a cpio archive", _ITSELF),
    _Kind(0, b"!<arch>\n", "an archive of ar, or a Debian package", _ITSELF),
    _Kind(0, b"\xed\xab\xee\xdb", "an RPM package", _ITSELF),
    _Kind(257, b"ustar", "a tar archive (the name of an OVA must end in .ova)", _unpacked_with("tar -xf FILE")),
)
_OTHERS = (
    _Kind(0, b"hsqs", "a squashfs file system", _ITSELF),
    _Kind(0, b"sqsh", "a squashfs file system", _ITSELF),
    _Kind(0, b"\x45\x3d\xcd\x28", "a cramfs file system", _ITSELF),
    _Kind(0, b"-rom1fs-", "a romfs file system", _ITSELF),
    _Kind(0, b"\x7fELF", "an ELF program", _ITSELF),
    _Kind(0, b"MZ\x90\x00", "a Windows or EFI program", _ITSELF),
    _Kind(0, b"\xfe\xed\xfa\xce", "a Mach-O program", _ITSELF),
    _Kind(0, b"\xfe\xed\xfa\xcf", "a Mach-O program", _ITSELF),
    _Kind(0, b"\xce\xfa\xed\xfe", "a Mach-O program", _ITSELF),
    _Kind(0, b"\xcf\xfa\xed\xfe", "a Mach-O program", _ITSELF),
    _Kind(0, b"\xca\xfe\xba\xbe", "a Java class or a Mach-O program", _ITSELF),
    _Kind(0, b"\0asm", "a WebAssembly program", _ITSELF),
    _Kind(0, b"#!/", "a script", _ITSELF),
    _Kind(0, b"\x27\x05\x19\x56", "a boot image of U-Boot", _ITSELF),
    _Kind(0, b"\xd0\x0d\xfe\xed", "a device tree or a boot image of U-Boot", _ITSELF),
    _Kind(0, b"\xd4\xc3\xb2\xa1", "a network capture", _ITSELF),
    _Kind(0, b"\xa1\xb2\xc3\xd4", "a network capture", _ITSELF),
    _Kind(0, b"\x0a\x0d\x0d\x0a", "a network capture", _ITSELF),
    _Kind(0, b"PAR1", "a Parquet file", _ITSELF),
    _Kind(0, b"%PDF-", "a PDF document", _ITSELF),
    _Kind(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document or an installer of Windows", _ITSELF),
    _Kind(0, b"\x89PNG", "a PNG picture", _ITSELF),
    _Kind(0, b"\xff\xd8\xff", "a JPEG picture", _ITSELF),
    _Kind(0, b"GIF8", "a GIF picture", _ITSELF),
    _Kind(0, b"RIFF", "a sound, a film or a picture (RIFF)", _ITSELF),
    _Kind(0, b"OggS", "a sound or a film (Ogg)", _ITSELF),
    _Kind(4, b"ftyp", "a film (MP4)", _ITSELF),
    _Kind(0, b"\x1a\x45\xdf\xa3", "a film (Matroska)", _ITSELF),
    _Kind(0, b"SQLite format 3\x00", "an SQLite database", _ITSELF),
    _Kind(0, b"\x89HDF\x0d\x0a\x1a\x0a", "an HDF5 file", _ITSELF),
    _Kind(0, b"version https://git-lfs", "a Git LFS pointer, not the image itself (run: git lfs pull)", _ITSELF),
)
_VMDK_DESCRIPTOR = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*version=[1-3]\b")
"""What QEMU takes for a descriptor: empty lines and comments, then the version."""


def refuse_other_kinds(image: ImageReader, head: bytes) -> None:
    """Raises: SourceError if the signature of another kind of file is where such files have it."""
    _refuse_containers(image, head)
    for kind in _found(image, head, _DISKS):
        raise SourceError(f"{image.label} is {kind.what}, which cannot be used directly", kind.remedy)
    for kind in _found(image, head, _PACKED + _OTHERS):
        raise SourceError(f"{image.label} is not a disk image: it is {kind.what}", kind.remedy)
    if _is_program(head):
        raise SourceError(f"{image.label} is not a disk image: it is a Windows or EFI program", _ITSELF)
    if _VMDK_DESCRIPTOR.match(head):
        raise SourceError(f"{image.label} is a VMDK text descriptor, whose data is in other files", CONVERT)


def _is_program(head: bytes) -> bool:
    """Whether it has the headers of Windows and EFI programs, Linux kernels among them."""
    return head.startswith(b"MZ") and head.startswith(b"PE\0\0", int.from_bytes(head[0x3C:0x40], "little"))


def _refuse_containers(image: ImageReader, head: bytes) -> None:
    """Raises: SourceError for whole-disk containers of which more is known than their name."""
    if head.startswith((b"LUKS\xba\xbe", b"SKUL\xba\xbe")):
        raise UnusableImage(
            f"{image.label} is an encrypted container (LUKS), which no machine can boot",
            "unlock it with cryptsetup and give the disk inside, or put the container into a partition of a disk",
            DiskFormat("raw", image.size, encrypted=True),
        )
    if head.startswith((b"WithoutFreeSpace", b"WithouFreSpacExt")):
        from reconciler.providers.image_files.formats.parallels import refuse_parallels

        refuse_parallels(image, head)


def _found(image: ImageReader, head: bytes, kinds: tuple[_Kind, ...]) -> Iterator[_Kind]:
    length = min(SECTOR, image.size)
    tail = image.part(image.size - length, length, "its end")
    for kind in kinds:
        if kind.offset >= 0 and head.startswith(kind.magic, kind.offset):
            yield kind
        if kind.offset < 0 and len(tail) >= -kind.offset and tail.startswith(kind.magic, len(tail) + kind.offset):
            yield kind
