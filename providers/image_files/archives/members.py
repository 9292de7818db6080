"""`Member`: a file of an archive, as an extent of the archive itself or a file beside the descriptor."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote

from reconciler.manifests.words import quoted
from reconciler.providers.image_files.archives.problems import unusable
from reconciler.providers.image_files.extents import Extent, opened

LONGEST_NAME = 1024
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class Member:
    """Where the bytes of one file are: `size` bytes from `offset` of the file `path`, whose identity is `identity`.

    `name` is relative to the archive, without `.` and `..`.
    """

    name: str
    path: str
    offset: int
    size: int
    identity: str

    def extent(self, label: str) -> Extent:
        """Its bytes; `label` is the name of the archive in messages."""
        return Extent(self.path, self.offset, self.size, f"{quoted(self.name)} of {label}", self.identity)


def plain_name(name: str) -> str:
    """A member's name in its shortest form; empty if it is absolute, leads out of the archive or is too long."""
    if not name or len(name) > LONGEST_NAME or name.startswith("/") or "\0" in name or ".." in name.split("/"):
        return ""
    shortest = posixpath.normpath(name)
    return "" if shortest == "." else shortest


def names_of(reference: str) -> tuple[str, ...]:
    """The names that a reference to a file may mean: as it is written, and with its percent-encoding resolved, as
    DSP0243 asks of an href."""
    names = (plain_name(reference), meant_by(reference))
    return tuple(dict.fromkeys(name for name in names if name))


def meant_by(reference: str) -> str:
    """The name that an href means; empty if that is an absolute URL or leads out of the archive."""
    return "" if _SCHEME.match(reference) else plain_name(unquote(reference[: 4 * LONGEST_NAME]))


def read_small(member: Member, most: int, what: str, label: str) -> bytes:
    """The whole content of a member that has at most `most` bytes, called `what` in messages. Raises: SourceError."""
    if member.size > most:
        raise unusable(label, f"{what} is larger than {_size(most)}")
    with opened(member.extent(label)) as fd:
        return os.pread(fd, member.size, member.offset)


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"
