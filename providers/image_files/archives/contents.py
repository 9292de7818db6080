"""`Contents`: the files of an OVA, or of an OVF and its folder, and which of them say what the others are."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from stat import S_ISREG

from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import open_inside
from reconciler.manifests.words import quoted
from reconciler.providers.image_files.archives.members import Member, meant_by, names_of
from reconciler.providers.image_files.archives.problems import unusable
from reconciler.providers.image_files.archives.tar_members import tar_members
from reconciler.providers.image_files.extents import file_identity, open_source

Find = Callable[[str], "Member | None"]
"""The member of a name in its shortest form. Raises: SourceError if it leads out of the archive."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of an archive called `label` in messages: its descriptor, and the manifest of digests and the signature
    of that where it has them. `folder`: the files are beside the descriptor, not in one archive."""

    label: str
    descriptor: Member
    manifest: Member | None
    certificate: Member | None
    folder: bool
    _find: Find

    def named(self, reference: str, by: str) -> Member:
        """The member that `by`, a part of the archive, names: relative to the descriptor's folder, or to the archive.

        Raises: SourceError if there is none.
        """
        base = posixpath.dirname(self.descriptor.name)
        for name in names_of(reference):
            for candidate in dict.fromkeys((posixpath.join(base, name), name)):
                if (member := self._find(candidate)) is not None:
                    return member
        where = "in its folder" if self.folder else "in it"
        if not meant_by(reference):
            raise unusable(self.label, f"{by} names {quoted(reference)}, which is not a plain file {where}")
        missing = "does not exist" if self.folder else "it does not contain"
        raise unusable(self.label, f"{by} names {quoted(reference)}, which {missing}")


def contents_of(path: str, label: str) -> Contents:
    """What is in the OVA, or beside the OVF, at `path`. Raises: SourceError."""
    fd = open_source(path, label)
    try:
        if path.lower().endswith(".ova"):
            return _of_ova(tar_members(fd, path, label), label)
        return _of_ovf(path, os.fstat(fd), label)
    finally:
        os.close(fd)


def _of_ova(members: dict[str, Member], label: str) -> Contents:
    descriptor = _only(members.values(), ".ovf", "OVF descriptors", label)
    if descriptor is None:
        raise unusable(label, "it contains no OVF descriptor")
    manifest = _only(members.values(), ".mf", "manifests", label)
    certificate = _only(members.values(), ".cert", "certificates", label)
    return Contents(label, descriptor, manifest, certificate, False, members.get)


def _only(members: Iterable[Member], ending: str, what: str, label: str) -> Member | None:
    """The member with an ending, except for what macOS adds to its archives. Raises: SourceError if there are two."""
    found = [
        member
        for member in members
        if member.name.lower().endswith(ending) and not posixpath.basename(member.name).startswith("._")
    ]
    if len(found) > 1:
        names = " and ".join(quoted(member.name) for member in found[:2])
        raise unusable(label, f"it has {len(found)} {what}, among them {names}")
    return found[0] if found else None


def _of_ovf(path: str, status: os.stat_result, label: str) -> Contents:
    folder, name = os.path.split(path)
    folder = folder or "."

    def find(wanted: str) -> Member | None:
        return _beside(folder, wanted, label)

    base = os.path.splitext(name)[0]
    descriptor = Member(name, path, 0, status.st_size, file_identity(status))
    return Contents(label, descriptor, find(f"{base}.mf"), find(f"{base}.cert"), True, find)


def _beside(folder: str, name: str, label: str) -> Member | None:
    """The file `name` in the OVF's folder or below it, with links resolved; None if it does not exist."""
    path = f"{folder}/{name}"
    try:
        fd = open_inside(path, (os.path.realpath(folder),))
    except InvalidInput as error:
        raise unusable(label, f"it names {quoted(name)}, which is not a plain file in its folder") from error
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unusable(label, f"{quoted(name)} cannot be opened: {error.strerror}", "check its permissions") from error
    try:
        status = os.fstat(fd)
        if not S_ISREG(status.st_mode):
            raise unusable(label, f"it names {quoted(name)}, which is not a plain file in its folder")
        return Member(name, os.path.realpath(path), 0, status.st_size, file_identity(status))
    finally:
        os.close(fd)
