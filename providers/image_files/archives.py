"""OVA and OVF: which disks such an archive contains and where their bytes are. Nothing is unpacked: a disk in an OVA is
one extent of the file, and is read from there."""

from __future__ import annotations

import os
import posixpath
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.providers.errors import SourceError

_LARGEST_DESCRIPTOR = 4 << 20
_MOST_MEMBERS = 1000


@dataclass(frozen=True, slots=True)
class Member:
    """Where the bytes of one disk are: `size` bytes from `offset` of the file `path`."""

    name: str
    path: str
    offset: int
    size: int


def disks_of_ova(fd: int, path: str, label: str) -> list[Member]:
    """The disks of the OVA open as `fd`, in the descriptor's order. Raises: SourceError."""
    try:
        with os.fdopen(os.dup(fd), "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            members = _members(archive, label, os.fstat(fd).st_size)
            descriptor = next((member for name, member in members.items() if name.lower().endswith(".ovf")), None)
            if descriptor is None:
                raise _unusable(label, "it contains no OVF descriptor")
            if descriptor.size > _LARGEST_DESCRIPTOR:
                raise _unusable(label, "its OVF descriptor is larger than 4 MiB")
            text = os.pread(fd, descriptor.size, descriptor.offset_data)
    except tarfile.TarError as error:
        raise _unusable(label, f"it cannot be read ({error})") from error
    members_by_name = {name: Member(name, path, member.offset_data, member.size) for name, member in members.items()}
    return _select(text, members_by_name, label)


def disks_of_ovf(text: bytes, path: str, label: str) -> list[Member]:
    """The disks that the OVF descriptor in the file `path` names in its folder, in its order. Raises: SourceError."""
    if len(text) > _LARGEST_DESCRIPTOR:
        raise _unusable(label, "it is larger than 4 MiB")
    folder = os.path.dirname(path)
    members_by_name = {}
    for name in _disk_files(text, label):
        disk_path = f"{folder}/{name}"
        if "/" in name or name in ("..", ".") or os.path.islink(disk_path):
            raise _unusable(label, f"it names '{name}', which is not a plain file in its folder")
        if not os.path.isfile(disk_path):
            raise _unusable(label, f"it names '{name}', which does not exist")
        members_by_name[name] = Member(name, disk_path, 0, os.path.getsize(disk_path))
    return _select(text, members_by_name, label)


def _members(archive: tarfile.TarFile, label: str, size: int) -> dict[str, tarfile.TarInfo]:
    members: dict[str, tarfile.TarInfo] = {}
    for member in archive:
        name = posixpath.normpath(member.name)
        if not member.isreg() or member.issparse() or "/" in name or name in ("..", "."):
            raise _unusable(label, f"its member '{member.name}' is not a plain file at the top level")
        if name in members or len(members) >= _MOST_MEMBERS:
            raise _unusable(label, f"it has two members '{name}', or more than {_MOST_MEMBERS} members")
        if member.offset_data + member.size > size:
            raise _unusable(label, f"it is cut short: '{name}' is incomplete")
        members[name] = member
    return members


def _select(text: bytes, members_by_name: Mapping[str, Member], label: str) -> list[Member]:
    names = _disk_files(text, label)
    for name in names:
        if name not in members_by_name:
            raise _unusable(label, f"its descriptor names '{name}', which it does not contain")
    return [members_by_name[name] for name in names]


def _disk_files(text: bytes, label: str) -> list[str]:
    """The file names of the disks in an OVF descriptor. Source: DSP0243, References and DiskSection."""
    if b"<!" in text.replace(b"<!--", b""):
        raise _unusable(label, "its OVF descriptor has a document type declaration")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise _unusable(label, f"its OVF descriptor is not well-formed XML ({error})") from error
    files = {}
    for element in _named(root, "File"):
        if _attribute(element, "compression") not in ("", "identity") or _attribute(element, "chunkSize"):
            raise _unusable(label, f"'{_attribute(element, 'href')}' is compressed or split")
        files[_attribute(element, "id")] = _attribute(element, "href")
    disks = [_attribute(element, "fileRef") for element in _named(root, "Disk")]
    if not disks:
        raise _unusable(label, "its OVF descriptor names no disk")
    for reference in disks:
        if reference not in files:
            raise _unusable(label, "its OVF descriptor has a disk without a file")
    return [files[reference] for reference in disks]


def _named(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if element.tag.rpartition("}")[2] == name]


def _attribute(element: ElementTree.Element, name: str) -> str:
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def _unusable(label: str, why: str) -> SourceError:
    return SourceError(
        f"{label} cannot be used as a virtual machine's archive: {why}", "export it again as a plain OVA"
    )
