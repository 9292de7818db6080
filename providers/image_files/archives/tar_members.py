"""The members of an OVA, which is a tar archive, read from its headers: a few kilobytes, whatever the archive says.

`tarfile` reads extension headers of any length into memory, and follows chains of them; here its parser of a single
header is used, and everything around it has a limit.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.manifests.words import quoted
from reconciler.providers.image_files.archives.members import LONGEST_NAME, Member, plain_name
from reconciler.providers.image_files.archives.problems import DAMAGED, unusable
from reconciler.providers.image_files.extents import file_identity

_BLOCK = tarfile.BLOCKSIZE
_MOST_MEMBERS = 1000
_MOST_EXTENSIONS = 8
"""Extension headers before one member: a long name, a long link, a PAX header and a global one."""

_LONGEST_EXTENSION = 1 << 20
"""Bytes of one extension header: those of macOS carry extended attributes."""

_LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE)
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


def tar_members(fd: int, path: str, label: str) -> dict[str, Member]:
    """The plain files in the archive open as `fd`, by name, in their order. Folders are left out.

    Raises: SourceError if it is no tar archive, is cut short, has links, devices, sparse files or names that lead out
    of it, has two members of one name, or exceeds a limit.
    """
    return _Walk(fd, path, label).members()


@dataclass(slots=True)
class _Walk:
    fd: int
    path: str
    label: str
    _position: int = 0
    _extensions: int = 0
    _name: str = ""
    _size: str = ""
    _found: dict[str, Member] = field(default_factory=dict)

    def members(self) -> dict[str, Member]:
        status = os.fstat(self.fd)
        while header := self._header():
            start = self._position + _BLOCK
            if header.type in (*_LONG_NAMES, *_PAX):
                length = self._extend(header, start)
            else:
                length = self._add(header, start, status)
            if start + length > status.st_size:
                raise unusable(self.label, f"it is cut short: {quoted(header.name)} is incomplete", DAMAGED)
            self._position = start + -(-length // _BLOCK) * _BLOCK
        return self._found

    def _header(self) -> tarfile.TarInfo | None:
        """The header here; None at the end, which is a block of zeros or that of the file."""
        block = os.pread(self.fd, _BLOCK, self._position)
        if not block.strip(b"\0"):
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            if self._position == 0:
                raise unusable(self.label, "it is not a tar archive, as an OVA is") from error
            raise unusable(self.label, f"its header at byte {self._position} is damaged", DAMAGED) from error

    def _extend(self, header: tarfile.TarInfo, start: int) -> int:
        """Reads an extension header, which is about the next member; its length in bytes."""
        self._extensions += 1
        if self._extensions > _MOST_EXTENSIONS or not 0 <= header.size <= _LONGEST_EXTENSION:
            raise unusable(
                self.label,
                f"a name or an extension header in it is longer than {_LONGEST_EXTENSION >> 20} MiB, or there are more "
                f"than {_MOST_EXTENSIONS} of them for one file",
            )
        content = os.pread(self.fd, header.size, start)
        if header.type == tarfile.GNUTYPE_LONGNAME:
            self._set_name(content.rstrip(b"\0"))
        elif header.type in _PAX:
            self._set_from(_pax_records(content, self.label), everywhere=header.type == tarfile.XGLTYPE)
        return header.size

    def _set_from(self, records: Mapping[bytes, bytes], *, everywhere: bool) -> None:
        if any(key.startswith(b"GNU.sparse") for key in records) or (everywhere and {b"path", b"size"} & set(records)):
            raise unusable(self.label, "it has a sparse file, or a name or size that is for all files")
        if b"path" in records:
            self._set_name(records[b"path"])
        self._size = records.get(b"size", b"").decode("ascii", "replace") or self._size

    def _set_name(self, name: bytes) -> None:
        written = name.decode("utf-8", "surrogateescape")
        if self._name not in ("", written):
            raise unusable(self.label, f"it gives one file two names, {quoted(self._name)} and {quoted(written)}")
        self._name = written

    def _add(self, header: tarfile.TarInfo, start: int, status: os.stat_result) -> int:
        """Adds a member; the length of its content in bytes."""
        written, size = self._name or header.name, self._length(header)
        self._extensions, self._name, self._size = 0, "", ""
        name = plain_name(written)
        if header.type == tarfile.DIRTYPE and (name or not written.strip("./")):
            return 0
        if not name or header.type not in _PLAIN:
            raise unusable(self.label, f"its member {quoted(written)} {_not_plain(written)}")
        if name in self._found or len(self._found) >= _MOST_MEMBERS:
            raise unusable(self.label, f"it has two members {quoted(name)}, or more than {_MOST_MEMBERS} members")
        self._found[name] = Member(name, self.path, start, size, file_identity(status))
        return size

    def _length(self, header: tarfile.TarInfo) -> int:
        size = self._size or str(header.size)
        if not (size.isascii() and size.isdigit() and len(size) < 20):
            raise unusable(self.label, f"the size of its member {quoted(self._name or header.name)} has no meaning")
        return int(size)


def _not_plain(name: str) -> str:
    if len(name) > LONGEST_NAME:
        return f"has a name of {len(name)} characters; the most are {LONGEST_NAME}"
    return "is not a plain file in it"


def _pax_records(content: bytes, label: str) -> dict[bytes, bytes]:
    """The records of a PAX header, each `LENGTH KEY=VALUE\\n`. Source: POSIX.1-2017, pax, extended header."""
    records: dict[bytes, bytes] = {}
    position = 0
    end = len(content.rstrip(b"\0"))
    while position < end:
        digits = content[position : position + 8].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        record = content[position : position + length]
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if len(record) != length or not record.endswith(b"\n") or not equals:
            raise unusable(label, "one of its PAX headers is damaged", DAMAGED)
        records[key] = value
        position += length
    return records
